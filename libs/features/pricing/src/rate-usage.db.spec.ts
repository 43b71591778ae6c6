import pg from 'pg';
import type { SentEvent } from '@core/metering';
import { type Asset, erc20Asset, formatDecimal } from '@core/money';
import { Clock, type Instant, addMs, formatInstant, parseInstant, parsePeriod } from '@core/time';
import { LedgerReader } from '@features/ledger';
import { CreateMeter, IngestUsage } from '@features/metering';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import {
  type TestDatabase,
  type SeededProvider,
  createTestDatabase,
  seedProvider,
} from '../../../../test/support/database.js';
import { ChargeReader, CreatePrice, PriceBookCache, RateUsage } from './index.js';

const usdc: Pick<Asset, 'id' | 'decimals'> = { id: erc20Asset(84532, `0x${'1'.repeat(40)}`), decimals: 6 };
const at = (text: string): Instant => {
  const instant = parseInstant(text);
  if (instant === undefined) throw new Error(text);
  return instant;
};

class HeldClock extends Clock {
  constructor(public time: Instant) {
    super();
  }
  now(): Instant {
    return this.time;
  }
}

let clock: HeldClock;
let db: TestDatabase;
let database: Database;
let writer: Writer;
let ingest: IngestUsage;
let rating: RateUsage;
let seeded: SeededProvider;
let serial = 0;

const meter = async (name: string, aggregation: 'count' | 'sum' | 'level') =>
  (await new CreateMeter(database, new SystemIds()).run({ provider: seeded.provider, name, aggregation, unit: 'unit' }))
    .meter;
const price = (name: string, rate: string, effectiveAt?: string) =>
  new CreatePrice(database, new Outbox(), clock, new SystemIds()).run({
    provider: seeded.provider,
    meter: name,
    model: 'per_unit',
    definition: { rate },
    asset: usdc,
    ...(effectiveAt === undefined ? {} : { effectiveAt: at(effectiveAt) }),
  });
const use = async (type: string, time: string, data?: SentEvent['data']) => {
  serial += 1;
  const event: SentEvent = { source: '/t', id: `e${serial}`, type, subject: 'agent-1', time, data };
  const result = await ingest.run({ provider: seeded.provider, events: [event], now: clock.now() });
  expect(result.verdicts).toMatchObject([{ verdict: 'accepted' }]);
};
/** Charges as [window start, quantity, atomic amount], and the ledger's receivable beside their sum. */
const charged = () =>
  database.forProvider(seeded.provider, async (tx) => {
    const charges = await new ChargeReader().of(tx, seeded.account, {
      start: parsePeriod('2026-01').start,
      end: parsePeriod('2027-12').end,
    });
    const balances = await new LedgerReader().balances(tx, { account: seeded.account });
    const owed = balances.reduce((sum, { debits, credits }) => sum + debits - credits, 0n);
    expect(owed).toBe(charges.reduce((sum, { atomic }) => sum + atomic, 0n));
    const history = await tx.$queryRaw<{ quantity: string; amount: string }[]>`
      SELECT coalesce(sum(quantity_change), 0)::text AS quantity, coalesce(sum(amount_change), 0)::text AS amount FROM charge_revisions`;
    expect(history[0]?.amount).toBe(owed.toString());
    return charges.map(({ window, quantity, atomic }) => [
      formatInstant(window.start).slice(0, 13),
      formatDecimal(quantity),
      atomic.toString(),
    ]);
  });
const dueRows = () =>
  writer.query<{ due_at: Date }>('SELECT due_at FROM rating_due WHERE provider_id = $1', [seeded.provider]);
const transfers = async () =>
  (await database.forProvider(seeded.provider, (tx) => tx.transfer.findMany({ orderBy: { id: 'asc' } }))).map(
    ({ amount }) => amount.toFixed(0),
  );

beforeAll(async () => {
  db = await createTestDatabase();
  database = new Database(db.appUrl, 8);
  writer = new Writer(db.writerUrl, 8);
  ingest = new IngestUsage(writer, new Outbox());
});
beforeEach(async () => {
  clock = new HeldClock(at('2026-11-21T12:00:00Z'));
  rating = new RateUsage(writer, database, clock, new SystemIds());
  seeded = await seedProvider(db);
});
afterAll(async () => {
  await Promise.all([database.close(), writer.close()]);
  await db.drop();
});

describe('charge = price version × total', () => {
  it('sets the charge of the month, and posts only what changed', async () => {
    await meter('calls', 'count');
    await price('calls', '0.004', '2026-11-01T00:00:00Z');
    await use('calls', '2026-11-20T00:00:00Z');
    await use('calls', '2026-11-20T00:00:01Z');
    expect(await rating.run()).toEqual({ rated: 1, changed: 1 });
    expect(await charged()).toEqual([['2026-11-01T00', '2', '8000']]);
    expect(await dueRows()).toEqual([]);
    await use('calls', '2026-11-02T00:00:00Z');
    await rating.run();
    expect(await charged()).toEqual([['2026-11-01T00', '3', '12000']]);
    expect(await transfers()).toEqual(['8000', '4000']);
  });

  it('rounds the total once, not every event', async () => {
    await meter('seconds', 'sum');
    await price('seconds', '0.0000003', '2026-11-01T00:00:00Z');
    for (const i of [1, 2, 3, 4, 5]) await use('seconds', `2026-11-20T00:00:0${i}Z`, { value: '1' });
    await rating.run();
    // 1.5 atomic units, half away from zero.
    expect(await charged()).toEqual([['2026-11-01T00', '5', '2']]);
  });

  it('cuts windows at months and where a price takes over', async () => {
    await meter('calls', 'count');
    clock.time = at('2026-10-20T00:00:00Z');
    await price('calls', '0.001', '2026-10-01T00:00:00Z');
    await price('calls', '0.002', '2026-11-10T12:00:00Z');
    clock.time = at('2026-11-21T12:00:00Z');
    for (const time of [
      '2026-10-31T23:59:59.999Z',
      '2026-11-01T00:00:00Z',
      '2026-11-10T11:59:59.999Z',
      '2026-11-10T12:00:00Z',
    ])
      await use('calls', time);
    await rating.run();
    expect(await charged()).toEqual([
      ['2026-10-01T00', '1', '1000'],
      ['2026-11-01T00', '2', '2000'],
      ['2026-11-10T12', '1', '2000'],
    ]);
  });

  it('meters without a price, and charges it all once the first price reaches back', async () => {
    await meter('calls', 'count');
    await use('calls', '2026-11-05T00:00:00Z');
    await use('calls', '2026-11-20T00:00:00Z');
    await rating.run();
    expect(await charged()).toEqual([]);
    await price('calls', '1', '2026-11-10T00:00:00Z');
    await rating.run();
    expect(await charged()).toEqual([['2026-11-10T00', '1', '1000000']]);
  });

  it('moves usage to the version in force when a price takes effect between receipt and use', async () => {
    await meter('calls', 'count');
    await price('calls', '1', '2026-11-01T00:00:00Z');
    await use('calls', '2026-11-21T12:04:00Z');
    await rating.run();
    expect(await charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
    await price('calls', '3', '2026-11-21T12:02:00Z');
    await rating.run();
    expect(await charged()).toEqual([
      ['2026-11-01T00', '0', '0'],
      ['2026-11-21T12', '1', '3000000'],
    ]);
    expect(await transfers()).toEqual(['1000000', '1000000', '3000000']);
  });

  it('sets a charge to nothing whose window a later version took over entirely', async () => {
    await meter('calls', 'count');
    clock.time = at('2026-11-30T23:58:00Z');
    await price('calls', '1', '2026-11-01T00:00:00Z');
    await use('calls', '2026-12-01T00:01:00Z');
    await rating.run();
    await price('calls', '2', '2026-12-01T00:00:00Z');
    await rating.run();
    expect(await charged()).toEqual(
      expect.arrayContaining([
        ['2026-12-01T00', '0', '0'],
        ['2026-12-01T00', '1', '2000000'],
      ]),
    );
  });

  it('leaves usage sold through the gate alone', async () => {
    const calls = await meter('calls', 'count');
    await price('calls', '1', '2026-11-01T00:00:00Z');
    await writer.query(
      `INSERT INTO usage_events (provider_id, source, event_id, meter_id, account_id, time, value, content_hash, payment_id)
      VALUES ($1, 'farebox:gate', 'pay_1', $2, $3, '2026-11-20T00:00:00Z', 1, decode(repeat('00', 32), 'hex'), 'pay_1')`,
      [seeded.provider, calls.id, seeded.account],
    );
    await use('calls', '2026-11-20T00:00:00Z');
    await rating.run();
    expect(await charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
  });
});

describe('a level goes on costing', () => {
  it('is due again every hour until it is zero, and over the end of the month', async () => {
    await meter('bytes', 'level');
    await price('bytes', '0.000001', '2026-11-01T00:00:00Z');
    clock.time = at('2026-11-30T23:30:00Z');
    await use('bytes', '2026-11-30T23:00:00Z', { level: '10' });
    await rating.run();
    expect(await charged()).toEqual([['2026-11-01T00', '18000', '18000']]);
    expect((await dueRows()).map((row) => row.due_at.toISOString())).toEqual(['2026-12-01T00:00:00.000Z']);
    expect(await rating.run()).toEqual({ rated: 0, changed: 0 });
    clock.time = at('2026-12-01T00:30:00Z');
    await rating.run();
    expect(await charged()).toEqual([
      ['2026-11-01T00', '36000', '36000'],
      ['2026-12-01T00', '18000', '18000'],
    ]);
    // A late level, before what was charged: the charge of the month before falls.
    await use('bytes', '2026-11-30T23:30:00Z', { level: '0' });
    await rating.run();
    expect(await charged()).toEqual([
      ['2026-11-01T00', '18000', '18000'],
      ['2026-12-01T00', '0', '0'],
    ]);
    expect(await dueRows()).toEqual([]);
  });

  it('is rated up to this moment for a statement', async () => {
    await meter('bytes', 'level');
    await price('bytes', '0.000001', '2026-11-01T00:00:00Z');
    await use('bytes', '2026-11-21T11:59:00Z', { level: '1' });
    await rating.run();
    clock.time = addMs(clock.time, 15_000);
    await rating.rateNow({ provider: seeded.provider, account: seeded.account });
    expect(await charged()).toEqual([['2026-11-01T00', '75', '75']]);
  });

  it('begins to cost when its price takes effect, though nothing happens then', async () => {
    await meter('bytes', 'level');
    await use('bytes', '2026-11-21T11:00:00Z', { level: '1' });
    await price('bytes', '0.000001', '2026-11-21T13:00:00Z');
    await rating.run();
    expect(await charged()).toEqual([]);
    clock.time = at('2026-11-21T13:00:10Z');
    await rating.run();
    expect(await charged()).toEqual([['2026-11-21T13', '10', '10']]);
  });
});

describe('rating holds under repeats and races', () => {
  it('comes to the same when workers rate and usage arrives at once', async () => {
    await meter('calls', 'count');
    await price('calls', '0.004', '2026-11-01T00:00:00Z');
    const workers = Array.from({ length: 4 }, () => new RateUsage(writer, database, clock, new SystemIds()));
    const usage = Array.from({ length: 60 }, (_, i) =>
      use('calls', `2026-11-${String((i % 20) + 1).padStart(2, '0')}T00:00:00Z`).then(() => workers[i % 4]?.run()),
    );
    await Promise.all(usage);
    await Promise.all(workers.map((worker) => worker.run()));
    expect(await charged()).toEqual([['2026-11-01T00', '60', '240000']]);
    expect(await dueRows()).toEqual([]);
    const [charge] = await database.forProvider(seeded.provider, (tx) => tx.charge.findMany());
    expect((await transfers()).length).toBe(charge?.revision);
  });

  it('is not undone by usage that arrives while it rates', async () => {
    await meter('calls', 'count');
    await price('calls', '1', '2026-11-01T00:00:00Z');
    await use('calls', '2026-11-20T00:00:00Z');
    // Rating has its total and waits to write the charge when further usage commits.
    const [blocker, watcher] = [new pg.Client(db.ownerUrl), new pg.Client(db.ownerUrl)];
    await Promise.all([blocker.connect(), watcher.connect()]);
    await blocker.query('BEGIN; LOCK TABLE charges IN EXCLUSIVE MODE');
    const running = rating.run();
    const waiting =
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO charges%'";
    for (let looks = 0; (await watcher.query(waiting)).rowCount === 0; looks += 1) expect(looks).toBeLessThan(5_000);
    await use('calls', '2026-11-20T00:00:01Z');
    await blocker.query('COMMIT');
    await Promise.all([blocker.end(), watcher.end()]);
    await running;
    expect(await charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
    expect(await dueRows()).toHaveLength(1);
    await rating.run();
    expect(await charged()).toEqual([['2026-11-01T00', '2', '2000000']]);
  });

  it('rates the others when one cannot be rated, and keeps that one due', async () => {
    const broken = await meter('broken', 'count');
    await meter('calls', 'count');
    await price('calls', '1', '2026-11-01T00:00:00Z');
    await database.forProvider(seeded.provider, (tx) =>
      tx.price.create({
        data: {
          id: `prc_${seeded.provider.slice(4)}`,
          providerId: seeded.provider,
          meterId: broken.id,
          model: 'of_the_future',
          definition: {},
          asset: usdc.id,
          assetDecimals: 6,
          effectiveAt: new Date('2026-11-01T00:00:00Z'),
        },
      }),
    );
    await use('broken', '2026-11-20T00:00:00Z');
    await use('calls', '2026-11-20T00:00:00Z');
    await expect(rating.run()).rejects.toThrow(/1 of 2/);
    expect(await charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
    expect(await dueRows()).toHaveLength(1);
    await writer.query('DELETE FROM rating_due WHERE provider_id = $1', [seeded.provider]);
  });

  it('keeps the history of charges for good', async () => {
    await meter('calls', 'count');
    await price('calls', '1', '2026-11-01T00:00:00Z');
    await use('calls', '2026-11-20T00:00:00Z');
    await rating.run();
    const change = database.forProvider(
      seeded.provider,
      (tx) => tx.$executeRaw`UPDATE charge_revisions SET amount_change = 0`,
    );
    await expect(change).rejects.toThrow(/permission denied|append-only/);
  });
});

describe('prices', () => {
  it('do not begin in the past once there is one, and do not change', async () => {
    await meter('calls', 'count');
    const first = await price('calls', '1', '2026-11-01T00:00:00Z');
    expect(await price('calls', '1.0', '2026-11-01T00:00:00Z')).toEqual({
      outcome: 'exists',
      price: expect.objectContaining({ id: first.price.id }),
    });
    await expect(price('calls', '2', '2026-11-01T00:00:00Z')).rejects.toMatchObject({
      code: 'conflict',
      reason: 'price_exists',
    });
    await expect(price('calls', '2', '2026-11-21T11:59:59.999Z')).rejects.toMatchObject({
      code: 'invalid_request',
      reason: 'price_in_past',
    });
    await expect(price('calls', 'free')).rejects.toMatchObject({ reason: 'invalid_price' });
    await expect(price('nothing', '1')).rejects.toMatchObject({ code: 'not_found', reason: 'unknown_meter' });
    expect((await price('calls', '2')).price.effectiveAt).toBe(clock.now());
  });

  it('made at once are taken one after the other: only one is the first', async () => {
    await meter('calls', 'count');
    const made = await Promise.allSettled(
      ['01', '02', '03'].map((day) => price('calls', '1', `2026-11-${day}T00:00:00Z`)),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('are cached for five seconds, what is missing not at all', async () => {
    const cache = new PriceBookCache(database, clock);
    expect(await cache.find(seeded.provider, 'calls')).toBeUndefined();
    await meter('calls', 'count');
    await price('calls', '1');
    expect((await cache.find(seeded.provider, 'calls'))?.prices).toHaveLength(1);
    await price('calls', '2', '2026-11-21T13:00:00Z');
    expect((await cache.find(seeded.provider, 'calls'))?.prices).toHaveLength(1);
    clock.time = addMs(clock.time, 5_000);
    expect((await cache.find(seeded.provider, 'calls'))?.prices).toHaveLength(2);
    expect(await cache.find('prv_other', 'calls')).toBeUndefined();
  });
});
