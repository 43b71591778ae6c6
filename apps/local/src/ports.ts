import { firstFreePort } from '../../../tools/servers/ports.mjs';

const NAMES = ['api', 'worker', 'demo', 'chain', 'postgres', 'redis', 'stripe'] as const;

export type Ports = Readonly<Record<(typeof NAMES)[number], number>>;

/** A free port for each, from the first one upwards; `passedOver` says which were taken. */
export async function choosePorts(first: number): Promise<{ ports: Ports; passedOver: number[] }> {
  const ports: Record<(typeof NAMES)[number], number> = {
    api: 0,
    worker: 0,
    demo: 0,
    chain: 0,
    postgres: 0,
    redis: 0,
    stripe: 0,
  };
  const passedOver: number[] = [];
  let next = first;
  for (const name of NAMES) {
    const port = await firstFreePort(next);
    for (let taken = next; taken < port; taken += 1) passedOver.push(taken);
    ports[name] = port;
    next = port + 1;
  }
  return { ports, passedOver };
}
