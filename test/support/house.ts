import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { mnemonicToAccount } from 'viem/accounts';
import { CreateKey, CreateProvider, type KeyScope } from '@features/accounts';
import { CreateMeter } from '@features/metering';
import { CreatePrice } from '@features/pricing';
import { erc20Asset } from '@core/money';
import type { ReleaseLevel } from '@core/payments';
import type { Hex } from '@core/x402';
import { type Config, readConfig } from '@platform/config';
import { Database } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemClock, SystemIds } from '@platform/system';
import { type Api, createApp } from '../../apps/api/src/create-app.js';
import { type Chain, startChain, TEST_MNEMONIC } from '../../tools/servers/chain.mjs';
import { placeChannels } from '../../tools/servers/channels.mjs';
import { freePort } from '../../tools/servers/ports.mjs';
import { type LocalUsdc, placeUsdc, USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { until } from './until.js';
import { createTestDatabase, type TestDatabase } from './database.js';

const keyOf = (index: number): Hex => {
  const bytes = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: index }).getHdKey().privateKey;
  return `0x${Buffer.from(bytes ?? []).toString('hex')}`;
};

interface HouseOptions {
  /** How many api processes' worth of apps to run, each on a port of its own. */
  readonly apis?: number;
  readonly blockTime?: number;
  /** Blocks on top that make one final. */
  readonly finality?: number;
  readonly release?: ReleaseLevel;
  readonly raiseFirstPayment?: boolean;
  readonly config?: Readonly<Record<string, string>>;
  /** A chain of the test's own making; it stays the test's to stop. */
  readonly chain?: Chain;
}

/**
 * Everything real: a database of its own, Redis, a chain with the genuine USDC, apis in this process and workers as
 * processes of their own, a provider with a key, and three priced meters.
 */
export class House {
  readonly processes = new Set<ChildProcess>();
  readonly #servers: HttpServer[] = [];

  private constructor(
    readonly db: TestDatabase,
    readonly owner: pg.Pool,
    readonly chain: Chain,
    readonly usdc: LocalUsdc,
    readonly apis: readonly Api[],
    readonly urls: readonly string[],
    readonly environment: Readonly<Record<string, string>>,
    readonly config: Config,
    readonly provider: string,
    readonly key: string,
    readonly payTo: Hex,
    private readonly ownsChain: boolean,
  ) {}

  static async build(options: HouseOptions = {}): Promise<House> {
    const chain = options.chain ?? (await startChain({ blockTime: options.blockTime ?? 1 }));
    const [db, usdc, redis, port] = await Promise.all([
      createTestDatabase(),
      placeUsdc(chain.url),
      ownRedis(),
      freePort(),
      placeChannels(chain.url),
    ]);
    const url = `http://127.0.0.1:${port}`;
    const environment: Record<string, string> = {
      NODE_ENV: 'test',
      LOG_LEVEL: 'error',
      DATABASE_URL: db.appUrl,
      DATABASE_WRITER_URL: db.writerUrl,
      DATABASE_AUDIT_URL: db.auditUrl,
      ...(redis === undefined ? { QUEUE_DATABASE_URL: db.ownerUrl } : { REDIS_URL: redis }),
      PUBLIC_URL: url,
      KEY_PEPPER: 'pepper-of-the-tests-which-is-long-enough',
      QUOTE_SECRET: 'quotes-of-the-tests-are-sealed-with-this',
      CHAIN_RPC_URL: chain.url,
      CHAIN_ID: '84532',
      CHAIN_FINALITY: String(options.finality ?? 2),
      CHAIN_POLL_MS: '200',
      RELAYER_KEYS: [keyOf(1), keyOf(2)].join(','),
      ...options.config,
    };
    const config = readConfig(environment);
    const payToAccount = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: 9 });
    const payTo: Hex = `0x${payToAccount.address.slice(2).toLowerCase()}`;
    const seeded = await seed(config, payTo, options.release ?? 'submitted');
    const owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    owner.on('error', () => undefined);
    await owner.query('UPDATE providers SET raise_first_payment = $1', [options.raiseFirstPayment ?? false]);
    const apis: Api[] = [];
    const urls: string[] = [];
    const closed = async (): Promise<void> => {
      await Promise.all(apis.map((api) => api.close()));
      await owner.end();
      await db.drop();
      if (options.chain === undefined) await chain.stop();
    };
    for (let i = 0; i < (options.apis ?? 1); i += 1) {
      const api = await createApp(config).catch(async (error: unknown) => {
        await closed();
        throw error;
      });
      apis.push(api);
      urls.push((await api.listen(i === 0 ? port : 0, '127.0.0.1')).replace('[::1]', '127.0.0.1'));
    }
    return new House(
      db,
      owner,
      chain,
      usdc,
      apis,
      urls,
      environment,
      config,
      seeded.provider,
      seeded.key,
      payTo,
      options.chain === undefined,
    );
  }

  get url(): string {
    return this.urls[0] ?? '';
  }

  /** Starts a worker as a process of its own and waits until it says that it is ready. */
  async startWorker(extra: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
    const port = await freePort();
    return this.#startProcess('worker', port, { WORKER_PORT: String(port), ...extra });
  }

  /** Starts an api as a process of its own, beside those in this one. @returns its URL */
  async startApi(): Promise<string> {
    const port = await freePort();
    await this.#startProcess('api', port, { API_PORT: String(port), API_HOST: '127.0.0.1' });
    return `http://127.0.0.1:${port}`;
  }

  async #startProcess(
    app: 'api' | 'worker',
    port: number,
    extra: Readonly<Record<string, string>>,
  ): Promise<ChildProcess> {
    const loader = join(process.cwd(), 'tools/register-typescript.mjs');
    const child = spawn(process.execPath, ['--import', loader, join(process.cwd(), `apps/${app}/src/main.ts`)], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...this.environment, ...extra },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    this.processes.add(child);
    child.once('exit', () => this.processes.delete(child));
    await until(
      `the ${app} to be ready`,
      async () =>
        child.exitCode !== null ||
        child.signalCode !== null ||
        (await fetch(`http://127.0.0.1:${port}/health/ready`).then(
          (response) => response.ok,
          () => false,
        )),
    );
    return child;
  }

  async stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill(signal);
    });
  }

  /** A request to the api with the provider's key. */
  call(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${this.key}`);
    return fetch(`${this.url}${path}`, { ...init, headers });
  }

  /** The JSON of an answer of the api. */
  async read(path: string): Promise<unknown> {
    const response = await this.call(path);
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  }

  /** Serves a handler over HTTP, as a provider does. @returns its URL */
  async serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = createServer(handler);
    this.#servers.push(server);
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return `http://127.0.0.1:${port}`;
  }

  /** A wallet of the test mnemonic with that much USDC (atomic). Indices below 10 belong to the house. */
  async wallet(index: number, usdc: bigint): Promise<ReturnType<typeof mnemonicToAccount>> {
    if (index < 10) throw new Error('indices below 10 belong to the house');
    const account = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: index });
    await this.usdc.mint(account.address, usdc);
    return account;
  }

  /** Waits until every payment has ended as `state`. */
  async untilAll(state: string, deadlineMs = 60_000): Promise<void> {
    await until(
      `all payments to be ${state}`,
      async () => (await this.owner.query('SELECT 1 FROM payments WHERE state <> $1 LIMIT 1', [state])).rowCount === 0,
      undefined,
      deadlineMs,
    );
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.closeAllConnections();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
    await Promise.all([...this.processes].map((child) => this.stop(child)));
    await Promise.all(this.apis.map((api) => api.close()));
    await this.owner.end();
    await this.db.drop();
    if (this.ownsChain) await this.chain.stop();
  }
}

const ALL: readonly KeyScope[] = ['ingest', 'gate', 'manage', 'finance', 'read'];

async function seed(config: Config, payTo: Hex, release: ReleaseLevel): Promise<{ provider: string; key: string }> {
  const database = new Database(config.DATABASE_URL, 2);
  const ids = new SystemIds();
  const clock = new SystemClock();
  try {
    const provider = (await new CreateProvider(database, ids, clock).run({ name: 'Test provider', payTo })).id;
    const { text } = await new CreateKey(database, ids, clock, config.KEY_PEPPER).run({
      provider,
      name: 'tests',
      scopes: ALL,
      environment: 'test',
    });
    for (const { name, aggregation, unit, rate } of [
      { name: 'api.calls', aggregation: 'count', unit: 'calls', rate: '0.004' },
      { name: 'compute.seconds', aggregation: 'sum', unit: 'seconds', rate: '0.0005' },
      { name: 'storage.bytes', aggregation: 'level', unit: 'byte-seconds', rate: '0.00000000001' },
    ] as const) {
      await new CreateMeter(database, ids, clock).run({ provider, name, aggregation, unit });
      await new CreatePrice(database, new Outbox(), clock, ids).run({
        provider,
        meter: name,
        model: 'per_unit',
        definition: { rate },
        asset: { id: erc20Asset(84532, USDC_ADDRESS), decimals: 6 },
        release,
      });
    }
    return { provider, key: text };
  } finally {
    await database.close();
  }
}

/** A Redis database of this jest worker's own, emptied; undefined where there is no Redis. */
async function ownRedis(): Promise<string | undefined> {
  const server = process.env.TEST_REDIS_URL;
  if (server === undefined) return undefined;
  const url = `${server}/${Number(process.env.JEST_WORKER_ID ?? '1') % 16}`;
  const redis = new Redis(url);
  await redis.flushdb();
  await redis.quit();
  return url;
}
