import { mkdtempSync, rmSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { SettlementPlace } from '@core/settlement';
import { migrate } from '../../tools/migrate.mjs';
import { ensureDatabase, sealTemplate, startPostgres } from '../../tools/servers/postgres.mjs';
import { startRedis } from '../../tools/servers/redis.mjs';
import { verifyBooks } from '../support/books.js';
import { SettlementScene } from '../support/settlement-scene.js';
import { until } from '../support/until.js';
import { type Queues, queuesOf, WorkerProcess } from '../support/worker-process.js';

// Real worker processes that die, and real servers that forget or restart. Whatever happens, each payment moves once, within
// a minute, without hands; the ledger is then the chain's to the unit.

const WITHIN_MS = 60_000;
const PAYMENTS = 6;

const serve = async (scene: SettlementScene, count = PAYMENTS): Promise<void> => {
  for (let i = 0; i < count; i += 1) await scene.serve(await scene.payer());
};

const untilSettled = (scene: SettlementScene): Promise<unknown> =>
  until(
    'every payment to be settled and every transaction to be final',
    async () => {
      const { rows } = await scene.owner.query<{ open: number }>(
        `SELECT (SELECT count(*) FROM payments WHERE state <> 'settled')::int
           + (SELECT count(*) FROM chain_transactions WHERE state NOT IN ('final', 'dropped'))::int AS open`,
      );
      return rows[0]?.open === 0;
    },
    undefined,
    WITHIN_MS,
  );

const expectOnce = async (scene: SettlementScene, payments: number): Promise<void> => {
  const { ledger, chain, inTransit } = await scene.books();
  expect(ledger).toEqual(chain);
  expect(inTransit).toBe(0n);
  expect(chain[scene.payees[0] ?? '']).toBe(4_000n * BigInt(payments));
  expect(await scene.states()).toEqual({ settled: payments });
  expect((await verifyBooks(scene.db.auditUrl, scene.rail)).flatMap(({ faults }) => faults)).toEqual([]);
};

describe('a worker that is killed', () => {
  let scene: SettlementScene;
  let queues: Queues;
  let served = 0;

  beforeAll(async () => {
    scene = await SettlementScene.build({ blockTime: 1 });
    queues = await queuesOf(scene);
  });

  afterAll(() => scene.close());

  const places: SettlementPlace[] = [
    'settlement.claimed',
    'settlement.before-sign',
    'settlement.bytes-stored',
    'settlement.broadcast',
    'settlement.receipt-seen',
    'settlement.before-final',
  ];

  it.each(places)(
    'at %s leaves nothing undone and nothing done twice',
    async (place) => {
      await serve(scene);
      served += PAYMENTS;
      const killed = await WorkerProcess.start(scene, queues, { CRASH_AT: place });
      expect(await killed.end()).toBe('SIGKILL');
      const next = await WorkerProcess.start(scene, queues);
      try {
        await untilSettled(scene);
      } finally {
        await next.end('SIGTERM');
      }
      expect(next.child.exitCode).toBe(0);
      await expectOnce(scene, served);
    },
    120_000,
  );
});

describe('a queue that forgets', () => {
  let scene: SettlementScene;

  beforeEach(async () => {
    scene = await SettlementScene.build({ blockTime: 1 });
  });

  afterEach(() => scene.close());

  it('loses nothing when Redis is emptied again and again', async () => {
    const queues = await queuesOf(scene);
    const redis = 'REDIS_URL' in queues ? new Redis(queues.REDIS_URL) : undefined;
    const worker = await (await WorkerProcess.start(scene, queues)).untilReady();
    try {
      for (let i = 0; i < 8; i += 1) {
        await serve(scene, 2);
        await redis?.flushdb();
      }
      await untilSettled(scene);
    } finally {
      await worker.end('SIGTERM');
      await redis?.quit();
    }
    await expectOnce(scene, 16);
  }, 120_000);

  it('settles without Redis while it is away, and goes on with it when it is back', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'farebox-redis-'));
    let redis = await startRedis({ dir });
    if (redis.url === undefined || redis.pid === undefined) return;
    const { port, url } = redis;
    const worker = await (await WorkerProcess.start(scene, { REDIS_URL: url })).untilReady();
    try {
      redis.kill('SIGKILL');
      await redis.stop();
      await serve(scene);
      await untilSettled(scene);
      redis = await startRedis({ dir, port });
      await worker.untilReady();
      await serve(scene);
      await untilSettled(scene);
    } finally {
      await worker.end('SIGTERM');
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    }
    await expectOnce(scene, 2 * PAYMENTS);
  }, 180_000);
});

describe('a database that is killed', () => {
  it('is waited for, and everything goes on by itself', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'farebox-postgres-'));
    chmodSync(dir, 0o755); // PostgreSQL may run as another account.
    const shared = { url: process.env['TEST_PG_URL'], template: process.env['TEST_TEMPLATE'] };
    let postgres = await startPostgres({ dir: join(dir, 'data') });
    try {
      await migrate(await ensureDatabase(postgres.url, 'farebox_template'));
      await sealTemplate(postgres.url, 'farebox_template');
      process.env['TEST_PG_URL'] = postgres.url;
      const scene = await SettlementScene.build({ blockTime: 1 });
      const worker = await (await WorkerProcess.start(scene, await queuesOf(scene))).untilReady();
      try {
        for (let i = 1; i <= 2; i += 1) {
          await serve(scene);
          const { port } = postgres;
          postgres.kill('SIGKILL');
          await postgres.stop();
          postgres = await startPostgres({ dir: join(dir, 'data'), port });
          await untilSettled(scene);
        }
        await expectOnce(scene, 2 * PAYMENTS);
      } finally {
        await worker.end('SIGTERM');
        await scene.close();
      }
    } finally {
      Object.assign(process.env, { TEST_PG_URL: shared.url, TEST_TEMPLATE: shared.template });
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  }, 180_000);
});
