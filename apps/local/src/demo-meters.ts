/** Names of the demo provider's meters. */
export const METERS = {
  calls: 'api.calls',
  compute: 'compute.seconds',
  storage: 'storage.bytes',
  cpu: 'cpu.seconds',
  disk: 'disk.bytes',
} as const;

/** How each meter counts, and what one unit of its quantity costs in USDC; the measured ones have no price. */
export const DEMO_METERS = [
  { name: METERS.calls, aggregation: 'count', unit: 'call', rate: '0.001', description: 'Requests answered' },
  { name: METERS.compute, aggregation: 'sum', unit: 'second', rate: '0.004', description: 'Compute time sold' },
  // A megabyte for an hour costs 0.0036 USDC.
  { name: METERS.storage, aggregation: 'level', unit: 'byte', rate: '0.000000000001', description: 'Storage sold' },
  { name: METERS.cpu, aggregation: 'sum', unit: 'second', rate: undefined, description: 'Compute time measured' },
  { name: METERS.disk, aggregation: 'level', unit: 'byte', rate: undefined, description: 'Storage measured' },
] as const;
