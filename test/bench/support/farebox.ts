import { Redis } from 'ioredis';
import pg from 'pg';
import { mnemonicToAccount } from 'viem/accounts';
import { erc20Asset } from '@core/money';
import type { ReleaseLevel } from '@core/payments';
import type { Hex } from '@core/x402';
import { CreateKey, CreateProvider } from '@features/accounts';
import { CreateMeter } from '@features/metering';
import { CreatePrice } from '@features/pricing';
import { type Config, readConfig } from '@platform/config';
import { Database } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemClock, SystemIds } from '@platform/system';
import { TEST_MNEMONIC } from '../../../tools/servers/chain.mjs';
import { freePort } from '../../../tools/servers/ports.mjs';
import type { Server } from '../../../tools/servers/process.mjs';
import { USDC_ADDRESS } from '../../../tools/servers/usdc.mjs';
import { createTestDatabase, type TestDatabase } from '../../support/database.js';
import type { Ground } from './ground.js';
import { healthy, type Script, startScript } from './processes.js';

/** Atomic units of one greeting: what the peer asks as well. */
export const PRICE = 4_000n;

const FAREBOX_PAYEE = 9;
const RELAYERS = [2, 3];

const keyOf = (index: number): Hex => {
  const bytes = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: index }).getHdKey().privateKey;
  return `0x${Buffer.from(bytes ?? []).toString('hex')}`;
};

/** More than a bench can spend: what is measured is the path, not the caps. They are checked all the same. */
const CAP = '1000000000000';

interface FareboxOptions {
  readonly ground: Ground;
  readonly chainUrl: string;
  readonly release: ReleaseLevel;
  readonly worker: boolean;
  readonly providers: readonly ('bare' | 'express')[];
  readonly configuration?: Readonly<Record<string, string>>;
}

/** Farebox as it runs in production: api, worker and providers each in a process of their own, over a database of their own. */
export class Farebox {
  private constructor(
    readonly db: TestDatabase,
    readonly owner: pg.Pool,
    readonly config: Config,
    readonly url: string,
    readonly key: string,
    readonly provider: string,
    readonly payTo: Hex,
    readonly providerUrls: Readonly<Record<string, string>>,
    readonly processes: Record<string, Server>,
    readonly startWorker: () => Promise<void>,
  ) {}

  static async start({
    ground,
    chainUrl,
    release,
    worker,
    providers,
    configuration,
  }: FareboxOptions): Promise<Farebox> {
    const db = await createTestDatabase();
    const [port, workerPort] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${port}`;
    if (ground.redis !== undefined) await emptyRedis(ground.redis);
    const environment: Record<string, string> = {
      NODE_ENV: 'production',
      // The public stack keeps no log of requests either; ours has one line each at `info`.
      LOG_LEVEL: 'warn',
      DATABASE_URL: db.appUrl,
      DATABASE_WRITER_URL: db.writerUrl,
      DATABASE_AUDIT_URL: db.auditUrl,
      ...(ground.redis === undefined ? { QUEUE_DATABASE_URL: db.ownerUrl } : { REDIS_URL: ground.redis }),
      API_HOST: '127.0.0.1',
      API_PORT: String(port),
      WORKER_PORT: String(workerPort),
      PUBLIC_URL: url,
      KEY_PEPPER: 'pepper-of-the-bench-which-is-long-enough',
      QUOTE_SECRET: 'quotes-of-the-bench-are-sealed-with-this',
      CHAIN_RPC_URL: chainUrl,
      CHAIN_ID: '84532',
      CHAIN_FINALITY: '2',
      RELAYER_KEYS: RELAYERS.map(keyOf).join(','),
      ...configuration,
    };
    const config = readConfig(environment);
    const payTo: Hex = `0x${mnemonicToAccount(TEST_MNEMONIC, { addressIndex: FAREBOX_PAYEE }).address.slice(2).toLowerCase()}`;
    const { provider, key } = await seed(config, payTo, release);
    const owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    owner.on('error', () => undefined);
    await owner.query(
      'UPDATE providers SET raise_first_payment = false, exposure_cap_payer = $1, exposure_cap_provider = $1',
      [CAP],
    );
    const started: Record<string, Server> = {};
    const start = async (script: Script): Promise<void> => {
      started[script.name] = await startScript(script);
    };
    const providerUrls: Record<string, string> = {};
    const logs = ground.folder;
    const startWorker = (): Promise<void> => {
      const isReady = () => healthy(`http://127.0.0.1:${workerPort}/health/ready`);
      return start({ name: 'worker', file: 'apps/worker/src/main.ts', environment, port: workerPort, logs, isReady });
    };
    try {
      await start({
        name: 'api',
        file: 'apps/api/src/main.ts',
        environment,
        port,
        logs,
        isReady: () => healthy(`${url}/health/ready`),
      });
      if (worker) await startWorker();
      for (const kind of providers) {
        const own = await freePort();
        providerUrls[kind] = `http://127.0.0.1:${own}`;
        await start({
          name: `${kind} provider`,
          file: 'test/bench/support/provider-server.ts',
          environment: { KIND: kind, PORT: String(own), GATE_URL: url, KEY: key },
          port: own,
          logs,
        });
      }
    } catch (error) {
      await Promise.all(Object.values(started).map((server) => server.stop()));
      await owner.end();
      throw error;
    }
    return new Farebox(db, owner, config, url, key, provider, payTo, providerUrls, started, startWorker);
  }

  urlOf(kind: 'bare' | 'express'): string {
    const url = this.providerUrls[kind];
    if (url === undefined) throw new Error(`no ${kind} provider was started`);
    return url;
  }

  /** The processes of these names: `api`, `worker`, `bare provider`, `express provider`. */
  named(...names: readonly string[]): Server[] {
    return names.map((name) => {
      const server = this.processes[name];
      if (server === undefined) throw new Error(`no ${name} was started`);
      return server;
    });
  }

  /** One number out of the database, as the superuser sees it. */
  async count(sql: string): Promise<number> {
    const { rows } = await this.owner.query<{ n: string }>(`SELECT (${sql})::text AS n`);
    return Number(rows[0]?.n);
  }

  /** Ends the worker: nothing is settled until it is started again. */
  async stopWorker(): Promise<void> {
    await this.processes['worker']?.stop();
    delete this.processes['worker'];
  }

  /** Ends api, worker and providers; the database stays. */
  async endProcesses(): Promise<void> {
    await Promise.all(Object.values(this.processes).map((server) => server.stop()));
  }

  async stop(): Promise<void> {
    await this.endProcesses();
    await this.owner.end();
    await this.db.drop();
  }
}

async function seed(config: Config, payTo: Hex, release: ReleaseLevel): Promise<{ provider: string; key: string }> {
  const database = new Database(config.DATABASE_URL, 2);
  const ids = new SystemIds();
  const clock = new SystemClock();
  try {
    const provider = (await new CreateProvider(database, ids, clock).run({ name: 'Provider of the bench', payTo })).id;
    const { text } = await new CreateKey(database, ids, clock, config.KEY_PEPPER).run({
      provider,
      name: 'bench',
      scopes: ['gate', 'ingest'],
      environment: 'test',
    });
    await new CreateMeter(database, ids, clock).run({
      provider,
      name: 'api.calls',
      aggregation: 'count',
      unit: 'calls',
    });
    await new CreatePrice(database, new Outbox(), clock, ids).run({
      provider,
      meter: 'api.calls',
      model: 'per_unit',
      definition: { rate: '0.004' },
      asset: { id: erc20Asset(84532, USDC_ADDRESS), decimals: 6 },
      release,
    });
    return { provider, key: text };
  } finally {
    await database.close();
  }
}

async function emptyRedis(url: string): Promise<void> {
  const redis = new Redis(url);
  await redis.flushdb();
  await redis.quit();
}
