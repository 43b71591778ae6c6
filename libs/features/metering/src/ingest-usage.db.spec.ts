import { type Clock, addMs, formatInstant, instant } from '@core/time';
import type { SentEvent } from '@core/metering';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import {
  type TestDatabase,
  type SeededProvider,
  createTestDatabase,
  seedProvider,
} from '../../../../test/support/database.js';
import { CreateMeter, IngestUsage, ListEvents, type EventVerdict } from './index.js';

const now = instant(Date.UTC(2026, 10, 21, 12));
const clock: Clock = { now: () => now };
const TIME = formatInstant(addMs(now, -60_000));

let db: TestDatabase;
let database: Database;
let writer: Writer;
let ingest: IngestUsage;
let seeded: SeededProvider;

const sum = (id: string, value: string, fields: Partial<SentEvent> = {}): SentEvent => ({
  source: '/test',
  id,
  type: 'compute.seconds',
  subject: 'agent-1',
  time: TIME,
  data: { value },
  ...fields,
});
const run = (events: SentEvent[]) => ingest.run({ provider: seeded.provider, events, now: clock.now() });
const verdicts = (list: readonly EventVerdict[]) => list.map(({ verdict, reason }) => reason ?? verdict);
const stored = async (where = 'true') =>
  Number(
    (
      await writer.query<{ n: string }>(
        `SELECT count(*)::text AS n FROM usage_events WHERE provider_id = $1 AND ${where}`,
        [seeded.provider],
      )
    )[0]?.n,
  );

beforeAll(async () => {
  db = await createTestDatabase();
  database = new Database(db.appUrl, 4);
  writer = new Writer(db.writerUrl, 8);
  ingest = new IngestUsage(writer, new Outbox());
});
beforeEach(async () => {
  seeded = await seedProvider(db);
  const meters = new CreateMeter(database, new SystemIds());
  await meters.run({ provider: seeded.provider, name: 'compute.seconds', aggregation: 'sum', unit: 'second' });
  await meters.run({ provider: seeded.provider, name: 'api.calls', aggregation: 'count', unit: 'call' });
  await meters.run({ provider: seeded.provider, name: 'storage.bytes', aggregation: 'level', unit: 'byte' });
});
afterAll(async () => {
  await Promise.all([database.close(), writer.close()]);
  await db.drop();
});

describe('a usage event counts once (M1)', () => {
  it('answers each event of a batch by itself, in order', async () => {
    const result = await run([
      sum('1', '1.25'),
      sum('2', 'much'),
      sum('3', '1', { type: 'nothing' }),
      sum('4', '1', { subject: 'nobody' }),
      sum('5', '1', { time: formatInstant(addMs(now, 600_000)) }),
      sum('6', '2', { subject: seeded.account }),
    ]);
    expect(verdicts(result.verdicts)).toEqual([
      'accepted',
      'invalid_value',
      'unknown_meter',
      'unknown_account',
      'time_in_future',
      'accepted',
    ]);
    expect(result).toMatchObject({ accepted: 2, duplicate: 0, conflict: 0, rejected: 4 });
    expect(result.verdicts[2]?.message).toContain('POST /v1/meters');
    expect(result.verdicts[3]?.message).toContain('POST /v1/accounts');
    expect(await stored()).toBe(2);
  });

  it('knows a repeat, in any spelling, and names what differs in a conflict', async () => {
    await run([sum('1', '1.5')]);
    const again = await run([
      sum('1', '1.50', { subject: seeded.account }),
      sum('1', '2'),
      sum('1', '1.5', { type: 'api.calls', data: null }),
    ]);
    expect(verdicts(again.verdicts)).toEqual(['duplicate', 'content_differs', 'content_differs']);
    expect(again.verdicts[1]?.message).toContain('another data.value;');
    expect(again.verdicts[2]?.message).toContain('another type, data.value;');
    expect(await stored()).toBe(1);
  });

  it('does the same with repeats inside one batch', async () => {
    const result = await run([sum('1', '1'), sum('1', '1'), sum('1', '2'), sum('1', 'bad'), sum('1', '1.0')]);
    expect(verdicts(result.verdicts)).toEqual([
      'accepted',
      'duplicate',
      'content_differs',
      'invalid_value',
      'duplicate',
    ]);
    expect(await stored()).toBe(1);
  });

  it('takes a repeat without a time for the same event, whenever it arrives', async () => {
    const timeless = { ...sum('1', '1'), time: undefined };
    const first = await ingest.run({ provider: seeded.provider, events: [timeless], now });
    const later = await ingest.run({ provider: seeded.provider, events: [timeless], now: addMs(now, 90_000) });
    expect([first.accepted, later.duplicate]).toEqual([1, 1]);
  });

  it('holds when many senders send the same and other events at once, in other orders', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `e${i}`);
    const orders = [ids, [...ids].reverse(), ids.slice(20).concat(ids.slice(0, 20))];
    // Two processes' worth of ingest, so that transactions really meet in the database.
    const other = new IngestUsage(writer, new Outbox());
    const calls = Array.from({ length: 24 }, (_, i) => {
      const order = orders[i % 3] ?? ids;
      const events = order.map((id) => sum(id, '1'));
      return (i % 2 ? other : ingest).run({ provider: seeded.provider, events, now });
    });
    const results = await Promise.all(calls);
    expect(results.reduce((n, { accepted }) => n + accepted, 0)).toBe(40);
    expect(results.reduce((n, { duplicate }) => n + duplicate, 0)).toBe(23 * 40);
    expect(await stored()).toBe(40);
  });

  it('finds accounts by wallet and keeps providers apart', async () => {
    const wallet = `0x${'Ab'.repeat(20)}`;
    await writer.query(
      "INSERT INTO identities (provider_id, kind, subject, account_id) VALUES ($1, 'wallet', $2, $3)",
      [seeded.provider, wallet.toLowerCase(), seeded.account],
    );
    expect((await run([sum('1', '1', { subject: wallet })])).accepted).toBe(1);
    const stranger = await seedProvider(db, { accountName: 'someone' });
    const foreign = await ingest.run({
      provider: stranger.provider,
      events: [sum('1', '1', { subject: seeded.account })],
      now,
    });
    expect(verdicts(foreign.verdicts)).toEqual(['unknown_meter']);
    const theirs = await new ListEvents(database).run({ provider: stranger.provider });
    expect(theirs.events).toEqual([]);
  });

  it('sees a meter as soon as it is made', async () => {
    expect((await run([sum('1', '1', { type: 'new.meter' })])).rejected).toBe(1);
    await new CreateMeter(database, new SystemIds()).run({
      provider: seeded.provider,
      name: 'new.meter',
      aggregation: 'sum',
      unit: 'x',
    });
    expect((await run([sum('1', '1', { type: 'new.meter' })])).accepted).toBe(1);
  });
});

describe('ingest', () => {
  it('marks once what is due for rating, from the earliest usage on, and stages one job a batch', async () => {
    await writer.query('DELETE FROM outbox');
    const early = formatInstant(addMs(now, -86_400_000));
    await run([sum('1', '1'), sum('2', '1', { time: early }), sum('3', '1', { type: 'api.calls', data: null })]);
    const due = await writer.query<{ since: Date; marks: string }>(
      'SELECT since, marks::text FROM rating_due WHERE provider_id = $1 ORDER BY since',
      [seeded.provider],
    );
    expect(due).toHaveLength(2);
    expect(due[0]?.since.toISOString()).toBe(early);
    expect(await writer.query('SELECT queue FROM outbox')).toEqual([{ queue: 'rate-usage' }]);
    await run([sum('1', '1')]);
    expect(await writer.query('SELECT queue FROM outbox')).toHaveLength(1);
    await run([sum('4', '1')]);
    const marks = await writer.query<{ marks: string }>(
      'SELECT marks::text FROM rating_due WHERE provider_id = $1 ORDER BY since',
      [seeded.provider],
    );
    expect(marks.map((row) => row.marks)).toEqual(['2', '1']);
  });

  it('asks senders to come back when too many calls wait', async () => {
    const small = new IngestUsage(writer, new Outbox(), 2);
    const calls = [0, 1, 2].map((i) => small.run({ provider: seeded.provider, events: [sum(`b${i}`, '1')], now }));
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    await expect(calls[2]).rejects.toMatchObject({ code: 'too_many_requests', retryAfterSeconds: 1 });
  });

  it('gives the receipt order of the batch, and pages by it', async () => {
    await run(['c', 'a', 'd', 'b'].map((id) => sum(id, '1')));
    const list = new ListEvents(database);
    const first = await list.run({ provider: seeded.provider, limit: 3 });
    expect(first.events.map(({ id }) => id)).toEqual(['b', 'd', 'a']);
    const second = await list.run({ provider: seeded.provider, limit: 3, cursor: first.next });
    expect(second.events.map(({ id }) => id)).toEqual(['c']);
    expect(second.next).toBeUndefined();
    await expect(list.run({ provider: seeded.provider, cursor: '1; DROP' })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });

  it('keeps the exact value of 38 digits', async () => {
    const value = '12345678901234567890.123456789012345678';
    expect((await run([sum('1', value)])).accepted).toBe(1);
    expect(await stored(`value = ${value}`)).toBe(1);
  });
});

describe('meters', () => {
  it('are made once and do not change', async () => {
    const meters = new CreateMeter(database, new SystemIds());
    const again = await meters.run({
      provider: seeded.provider,
      name: 'api.calls',
      aggregation: 'count',
      unit: 'call',
    });
    expect(again.outcome).toBe('exists');
    const other = meters.run({ provider: seeded.provider, name: 'api.calls', aggregation: 'sum', unit: 'call' });
    await expect(other).rejects.toMatchObject({ code: 'conflict', reason: 'meter_exists' });
  });
});
