import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { CHAIN_ID } from '../../tools/servers/chain.mjs';
import { freePort } from '../../tools/servers/ports.mjs';
import type { SettlementScene } from './settlement-scene.js';
import { until } from './until.js';

/** Where the queues of a test are. */
export type Queues = { readonly REDIS_URL: string } | { readonly QUEUE_DATABASE_URL: string };

/** A Redis database of this jest worker's own, emptied; the scene's database where there is no Redis. */
export async function queuesOf(scene: SettlementScene): Promise<Queues> {
  const server = process.env['TEST_REDIS_URL'];
  if (server === undefined) return { QUEUE_DATABASE_URL: scene.db.ownerUrl };
  const url = `${server}/${Number(process.env['JEST_WORKER_ID'] ?? '1') % 16}`;
  const redis = new Redis(url);
  await redis.flushdb();
  await redis.quit();
  return { REDIS_URL: url };
}

/** A real worker, in a process of its own, over a scene's database and chain. */
export class WorkerProcess {
  private constructor(
    readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(
    scene: SettlementScene,
    queues: Queues,
    extra: Readonly<Record<string, string>> = {},
  ): Promise<WorkerProcess> {
    const port = await freePort();
    const loader = join(process.cwd(), 'tools/register-typescript.mjs');
    const child = spawn(process.execPath, ['--import', loader, join(process.cwd(), 'apps/worker/src/main.ts')], {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        NODE_ENV: 'test',
        LOG_LEVEL: 'fatal',
        DATABASE_URL: scene.db.appUrl,
        DATABASE_WRITER_URL: scene.db.writerUrl,
        ...queues,
        PUBLIC_URL: 'http://127.0.0.1:1',
        KEY_PEPPER: 'pepper-of-the-tests-which-is-long-enough',
        QUOTE_SECRET: 'quotes-of-the-tests-are-sealed-with-this',
        CHAIN_RPC_URL: scene.chain.url,
        CHAIN_ID: String(CHAIN_ID),
        CHAIN_FINALITY: String(scene.finality),
        CHAIN_POLL_MS: '200',
        RELAYER_KEYS: scene.relayerKeys.join(','),
        WORKER_PORT: String(port),
        ...extra,
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return new WorkerProcess(child, `http://127.0.0.1:${port}`);
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async untilReady(): Promise<this> {
    await until('the worker to be ready', async () => {
      if (this.ended) throw new Error('the worker ended before it was ready');
      return fetch(`${this.url}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    return this;
  }

  /** Resolves with the signal that ended it, or undefined when it ended by itself. */
  async end(signal?: NodeJS.Signals): Promise<NodeJS.Signals | undefined> {
    if (!this.ended) {
      await new Promise<void>((resolve) => {
        this.child.once('exit', () => resolve());
        if (signal) this.child.kill(signal);
      });
    }
    return this.child.signalCode ?? undefined;
  }
}
