import type { Queue } from 'bullmq';
import { createServer, type Server } from 'node:http';
import type { SettlementRail } from '@core/settlement';
import type { SettlementReader } from '@features/settlement';
import type { Metrics } from '@platform/telemetry';
import type { WorkerMetrics } from './worker-metrics.js';

/** Longer than a healthy answer ever takes. */
const PATIENCE_MS = 2_000;

interface HealthParts {
  readonly reader: SettlementReader;
  readonly rail: SettlementRail;
  readonly queues: readonly Queue[];
  readonly metrics: Metrics;
  readonly gauges: WorkerMetrics;
  readonly chainId: number;
}

interface Check {
  readonly name: string;
  /** Undefined when all is well, else a sentence. Must not hang longer than the patience. */
  readonly fault: string | undefined;
}

/** `/health/live`, `/health/ready` with reasons, and `/metrics`, over plain HTTP: the worker has no other door. */
export class Health {
  #server: Server | undefined;

  constructor(private readonly parts: HealthParts) {}

  /** Resolves with the port it listens on. */
  async listen(port: number): Promise<number> {
    const server = createServer((request, response) => {
      this.#answer(request.url ?? '/').then(
        ({ status, type, body }) =>
          response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body),
        () => response.writeHead(503, { 'content-type': 'text/plain' }).end('not now'),
      );
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, () => resolve());
    });
    const address = server.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  async #answer(path: string): Promise<{ status: number; type: string; body: string }> {
    const json = (status: number, value: object) => ({ status, type: 'application/json', body: JSON.stringify(value) });
    if (path === '/health/live') return json(200, { status: 'live' });
    if (path === '/health/ready') {
      const checks = await this.#checks();
      const ready = checks.every(({ fault }) => fault === undefined);
      return json(ready ? 200 : 503, {
        status: ready ? 'ready' : 'not ready',
        checks: checks.map(({ name, fault }) => ({
          name,
          status: fault === undefined ? 'ok' : 'failing',
          reason: fault,
        })),
      });
    }
    if (path === '/metrics') {
      await this.parts.gauges.refresh();
      return { status: 200, type: this.parts.metrics.contentType, body: await this.parts.metrics.text() };
    }
    return json(404, { status: 'not found', paths: ['/health/live', '/health/ready', '/metrics'] });
  }

  #checks(): Promise<Check[]> {
    const { reader, rail, queues, chainId } = this.parts;
    return Promise.all([
      check('database', 'the database does not answer', async () => {
        const { pausedSigners } = await reader.standing(chainId);
        if (rail.signers.length === 0) return 'no relayer key is set (RELAYER_KEYS): nothing is sent to the chain';
        const paused = pausedSigners.filter(({ signer }) => rail.signers.some((ours) => ours === signer));
        if (paused.length < rail.signers.length) return undefined;
        return `every relayer key is paused: ${paused.map(({ signer, reason }) => `${signer} (${reason})`).join(', ')}`;
      }),
      check('chain', 'the chain does not answer', async () => void (await rail.view())),
      check('queue', 'the queue does not answer', async () => void (await queues[0]?.getWaitingCount())),
    ]);
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (!server?.listening) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

/** A dependency that hangs is as bad as one that refuses. Reasons are ours: errors may hold addresses and passwords. */
async function check(name: string, away: string, look: () => Promise<string | undefined | void>): Promise<Check> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(away), PATIENCE_MS);
  });
  const fault = await Promise.race([look().catch(() => away), late]);
  clearTimeout(timer);
  return { name, fault: fault ?? undefined };
}
