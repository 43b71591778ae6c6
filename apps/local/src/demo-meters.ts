import { decimal } from '@core/money';
import type { MeterDefinition } from '@features/metering';

/** Names of the demo provider's meters. */
export const METERS = {
  calls: 'api.calls',
  compute: 'compute.seconds',
  storage: 'storage.bytes',
  cpu: 'cpu.seconds',
  disk: 'disk.space',
  transfer: 'transfer.bytes',
} as const;

interface DemoPrice {
  readonly model: string;
  /** In USDC for one unit of the meter's quantity. */
  readonly definition: object;
}

interface DemoMeter extends Omit<MeterDefinition, 'provider'> {
  readonly name: (typeof METERS)[keyof typeof METERS];
  /** Absent: measured, not sold. */
  readonly price?: DemoPrice;
}

const each = (rate: string): DemoPrice => ({ model: 'per_unit', definition: { rate } });

/** How each meter counts, and what it costs. */
export const DEMO_METERS: readonly DemoMeter[] = [
  {
    name: METERS.calls,
    aggregation: 'count',
    unit: 'call',
    price: each('0.001'),
    description: 'Requests sold',
  },
  { name: METERS.compute, aggregation: 'sum', unit: 'second', price: each('0.004'), description: 'Compute time sold' },
  // A megabyte for an hour costs 0.0036 USDC.
  {
    name: METERS.storage,
    aggregation: 'level',
    unit: 'byte',
    price: each('0.000000000001'),
    description: 'Storage sold',
  },
  { name: METERS.cpu, aggregation: 'sum', unit: 'second', description: 'Compute time measured' },
  {
    name: METERS.disk,
    aggregation: 'level',
    unit: 'byte',
    conversion: { divideBy: decimal(3_600_000_000_000n), unit: 'GB-hour' },
    rounding: { mode: 'nearest', places: 12 },
    description: 'Storage measured',
  },
  {
    name: METERS.transfer,
    aggregation: 'sum',
    unit: 'byte',
    conversion: { divideBy: decimal(1_000n), unit: 'kB' },
    // 50 kB a month are free, to 100 MB a kB costs 0.00001 USDC, beyond that half of it.
    price: {
      model: 'graduated',
      definition: {
        tiers: [{ upTo: '50', rate: '0' }, { upTo: '100000', rate: '0.00001' }, { rate: '0.000005' }],
      },
    },
    description: 'Data received, billed by the month: 50 kB free, then 0.00001 USDC a kB',
  },
];
