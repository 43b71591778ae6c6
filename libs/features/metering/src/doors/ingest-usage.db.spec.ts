import type { SentEvent } from '@core/metering';
import { decimal } from '@core/money';
import { type Clock, addMs, formatInstant, instant } from '@core/time';
import { Database, Writer } from '@platform/database';
import { SystemIds } from '@platform/system';
import {
  type TestDatabase,
  type SeededProvider,
  createTestDatabase,
  seedProvider,
} from '../../../../../test/support/database.js';
import { CreateMeter, IngestUsage, type EventVerdict } from '../index.js';
import { IdentityStore, eventIdentity, identityRecord } from './identity.store.js';
import { RECORD_WORDS, wordsOf } from './identity-record.js';

const now = instant(Date.UTC(2026, 10, 21, 12));
const clock: Clock = { now: () => now };
const TIME = formatInstant(addMs(now, -60_000));

let db: TestDatabase;
let database: Database;
let writer: Writer;
let otherWriter: Writer;
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
const entries = () =>
  writer.query<{ kind: string; events: number; skip: number[] | null; body: string; since: Date; until: Date }>(
    'SELECT kind, events, skip, body, since, until FROM usage_log WHERE provider_id = $1 ORDER BY position',
    [seeded.provider],
  );
/** Events in the log that count. */
const counting = async (): Promise<number> =>
  (await entries()).reduce((sum, { events, skip }) => sum + events - (skip?.length ?? 0), 0);
const held = () =>
  writer.query<{ reason: string; event: { id: string } }>(
    'SELECT reason, event FROM usage_held WHERE provider_id = $1 ORDER BY position, ordinal',
    [seeded.provider],
  );
const createMeter = (definition: Omit<Parameters<CreateMeter['run']>[0], 'provider'>) =>
  new CreateMeter(database, new SystemIds(), clock).run({ provider: seeded.provider, ...definition });

beforeAll(async () => {
  db = await createTestDatabase();
  database = new Database(db.appUrl, 4);
  writer = new Writer(db.writerUrl, 8);
  otherWriter = new Writer(db.writerUrl, 8);
  ingest = new IngestUsage(writer);
});
beforeEach(async () => {
  seeded = await seedProvider(db);
  await createMeter({
    name: 'compute.seconds',
    aggregation: 'sum',
    unit: 'second',
    limits: { perEvent: decimal(1000n) },
  });
  await createMeter({ name: 'api.calls', aggregation: 'count', unit: 'call' });
  await createMeter({ name: 'storage.bytes', aggregation: 'level', unit: 'byte' });
});
afterAll(async () => {
  await Promise.all([database.close(), writer.close(), otherWriter.close()]);
  await db.drop();
});

describe('a usage event counts once (M1)', () => {
  it('answers each event of a call by itself, in order', async () => {
    const result = await run([
      sum('1', '1.25'),
      sum('2', 'much'),
      sum('3', '1', { type: 'nothing' }),
      sum('4', '1', { subject: 'nobody' }),
      sum('5', '1', { time: formatInstant(addMs(now, 600_000)) }),
      sum('6', '2', { subject: seeded.account }),
      sum('7', '1001'),
      sum('8', '1', { time: 'yesterday' }),
      sum('9', '9'.repeat(20_000)),
    ]);
    expect(verdicts(result.verdicts)).toEqual([
      'accepted',
      'invalid_value',
      'unknown_meter',
      'unknown_account',
      'time_in_future',
      'accepted',
      'over_event_ceiling',
      'invalid_time',
      'event_too_large',
    ]);
    expect(result).toMatchObject({ accepted: 2, duplicate: 0, conflict: 0, held: 3, rejected: 4 });
    expect(result.verdicts.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
    expect(await counting()).toBe(2);
    expect((await held()).map(({ reason, event }) => [reason, event.id])).toEqual([
      ['unknown_meter', '3'],
      ['unknown_account', '4'],
      ['over_event_ceiling', '7'],
    ]);
    const [entry] = await entries();
    expect(entry).toMatchObject({ kind: 'open', events: 5 });
    expect([entry?.since.toISOString(), entry?.until.toISOString()]).toEqual([TIME, TIME]);
  });

  it('leaves no entry when nothing is to be kept', async () => {
    expect(await run([sum('1', 'much')])).toMatchObject({ rejected: 1 });
    await run([sum('2', '1')]);
    expect(await run([sum('2', '1')])).toMatchObject({ duplicate: 1 });
    expect(await entries()).toHaveLength(1);
  });

  it('knows a repeat, in any spelling, and names what differs in a conflict', async () => {
    await run([sum('1', '1.5')]);
    const again = await run([
      sum('1', '1.50', { subject: seeded.account, time: TIME.replace('Z', '+00:00') }),
      sum('1', '2'),
      sum('1', '1.5', { type: 'api.calls', data: null }),
      sum('1', '1.5', { subject: 'nobody' }),
    ]);
    expect(verdicts(again.verdicts)).toEqual(['duplicate', 'content_differs', 'content_differs', 'content_differs']);
    expect(again.verdicts[1]?.message).toContain('another data.value;');
    expect(again.verdicts[2]?.message).toContain('another type, data.value;');
    expect(again.verdicts[3]?.message).toContain('another subject;');
    expect([await counting(), await held()]).toEqual([1, []]);
  });

  it('does the same with repeats inside one call', async () => {
    const result = await run([sum('1', '1'), sum('1', '1'), sum('1', '2'), sum('1', 'bad'), sum('1', '1.0')]);
    expect(verdicts(result.verdicts)).toEqual([
      'accepted',
      'duplicate',
      'content_differs',
      'invalid_value',
      'duplicate',
    ]);
    expect(await counting()).toBe(1);
  });

  it('takes a repeat without a time for the same event, whenever it arrives', async () => {
    const timeless = { ...sum('1', '1'), time: undefined };
    const first = await ingest.run({ provider: seeded.provider, events: [timeless], now });
    const later = await ingest.run({ provider: seeded.provider, events: [timeless], now: addMs(now, 90_000) });
    expect([first.accepted, later.duplicate]).toEqual([1, 1]);
  });

  it('takes the repeat of a held event for the same, also when its account is there by then', async () => {
    const early = sum('1', '1', { subject: 'agent-2' });
    expect((await run([early])).held).toBe(1);
    expect(verdicts((await run([early, sum('1', '2', { subject: 'agent-2' })])).verdicts)).toEqual([
      'duplicate',
      'content_differs',
    ]);
    await database.forProvider(seeded.provider, (tx) =>
      tx.account.create({ data: { id: `acct_${'1'.repeat(32)}`, providerId: seeded.provider, name: 'agent-2' } }),
    );
    expect(verdicts((await run([early])).verdicts)).toEqual(['duplicate']);
    expect([await counting(), (await held()).length]).toEqual([0, 1]);
  });

  it('says of a voided event that it has been voided', async () => {
    await run([sum('1', '1'), sum('2', '1')]);
    const identity = eventIdentity(seeded.provider, '/test', '1');
    const receipt = await writer.transaction((tx) => new IdentityStore(writer).find(tx, identity));
    const revise = (revision: number, action: string, event: string | null) =>
      writer.query(
        'INSERT INTO usage_corrections (position, ordinal, revision, provider_id, action, event, entry) VALUES ($1, $2, $3, $4, $5, $6, 1)',
        [receipt?.position.toString(), receipt?.ordinal, revision, seeded.provider, action, event],
      );
    await revise(1, 'void', null);
    const again = await run([sum('1', '1'), sum('1', '2'), sum('2', '1')]);
    expect(verdicts(again.verdicts)).toEqual(['voided', 'voided', 'duplicate']);
    await revise(2, 'restore', '{}');
    expect(verdicts((await run([sum('1', '1')])).verdicts)).toEqual(['duplicate']);
  });

  it('compares an identity without a mark with the event itself', async () => {
    // As the log was before identities were taken apart from events.
    const body = {
      t0: now - 60_000,
      ...{ types: ['compute.seconds'], accounts: ['agent-1'], sources: ['/test'] },
      columns: { type: [0], account: [0], time: [0], source: [0], id: ['old'], value: ['1.5'] },
    };
    const [row] = await writer.query<{ position: string }>(
      `INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
      SELECT next_usage_position(), $1, 'open', $2::timestamptz, $2::timestamptz, 1, $3, ARRAY[a.number] FROM accounts a WHERE a.id = $4 RETURNING position::text`,
      [seeded.provider, TIME, JSON.stringify(body), seeded.account],
    );
    const record = new Uint32Array(RECORD_WORDS);
    record.set(wordsOf(eventIdentity(seeded.provider, '/test', 'old')));
    await writer.transaction((tx) => new IdentityStore(writer).claim(tx, BigInt(row?.position ?? 0), [record]));
    const again = await run([
      sum('old', '1.50'),
      sum('old', '1.5', { time: undefined }),
      sum('old', '1.6'),
      sum('old', '1.5', { time: formatInstant(now) }),
    ]);
    expect(verdicts(again.verdicts)).toEqual(['duplicate', 'duplicate', 'content_differs', 'content_differs']);
    expect(again.verdicts[3]?.message).toContain('another time;');
  });

  it('holds when many senders of two processes send the same and other events at once, in other orders', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `e${i}`);
    const orders = [ids, [...ids].reverse(), ids.slice(20).concat(ids.slice(0, 20))];
    const other = new IngestUsage(otherWriter);
    const calls = Array.from({ length: 24 }, (_, i) => {
      const events = (orders[i % 3] ?? ids).map((id) => sum(id, '1'));
      return (i % 2 ? other : ingest).run({ provider: seeded.provider, events, now });
    });
    const results = await Promise.all(calls);
    expect(results.reduce((n, { accepted }) => n + accepted, 0)).toBe(40);
    expect(results.reduce((n, { duplicate }) => n + duplicate, 0)).toBe(23 * 40);
    expect(await counting()).toBe(40);
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
  });

  it('sees a meter as soon as it is made', async () => {
    expect((await run([sum('1', '1', { type: 'new.meter' })])).held).toBe(1);
    await createMeter({ name: 'new.meter', aggregation: 'sum', unit: 'x' });
    expect((await run([sum('2', '1', { type: 'new.meter' })])).accepted).toBe(1);
  });

  it('keeps the exact value of 38 digits, and every other field', async () => {
    await createMeter({ name: 'jobs', aggregation: 'duration', unit: 'second' });
    const value = '123.123456789012345678';
    const event = {
      ...sum('2', '', { type: 'jobs', data: { action: 'start', weight: '2.5', cost: '0.01', resource: 'r' } }),
    };
    expect((await run([sum('1', value, { data: { value, dimensions: { region: 'eu' } } }), event])).accepted).toBe(2);
    const [entry] = await entries();
    expect(JSON.parse(entry?.body ?? '')).toMatchObject({
      dimensions: [{ region: 'eu' }],
      columns: { value: [value, null], action: [null, 'start'], weight: [null, '2.5'], cost: [null, '0.01'] },
    });
    const again = { ...event, data: { ...event.data, weight: '3' } };
    expect((await run([again])).verdicts[0]?.message).toContain('another data.weight;');
  });
});

describe('the open door', () => {
  it('asks senders to come back when too many calls are under way', async () => {
    const small = new IngestUsage(writer, { mostCalls: 2 });
    const calls = [0, 1, 2].map((i) => small.run({ provider: seeded.provider, events: [sum(`b${i}`, '1')], now }));
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    await expect(calls[2]).rejects.toMatchObject({ code: 'too_many_requests', retryAfterSeconds: 1 });
  });

  it('refuses more than 1000 events', async () => {
    const events = Array.from({ length: 1001 }, (_, i) => sum(String(i), '1'));
    await expect(run(events)).rejects.toMatchObject({ code: 'payload_too_large' });
    expect((await run(events.slice(1))).accepted).toBe(1000);
  });

  it('keeps names that PostgreSQL would not take out of the way of the others', async () => {
    const odd = ['\0', '\ud800', 'a\nb'].map((subject, i) => sum(`odd${i}`, '1', { subject }));
    const other = ingest.run({ provider: seeded.provider, events: [sum('1', '1')], now });
    const result = await run([...odd, sum('2', '1'), sum('3', '1', { data: { value: '\0\ud800' } })]);
    expect(verdicts(result.verdicts)).toEqual([...odd.map(() => 'invalid_subject'), 'accepted', 'invalid_value']);
    expect((await other).accepted).toBe(1);
  });
});

describe('events that are accepted without a verdict each', () => {
  const accept = (events: SentEvent[]) => ingest.accept({ provider: seeded.provider, events, now });

  it('are kept the same way; only what is not kept, or held, is named', async () => {
    const result = await accept([
      sum('1', '1'),
      sum('2', 'much'),
      sum('1', '1'),
      sum('3', '1', { subject: 'nobody' }),
      sum('1', '2'),
    ]);
    expect(result.received).toBe(3);
    expect(result.rejected.map(({ id, verdict, reason }) => [id, verdict, reason])).toEqual([
      ['2', 'rejected', 'invalid_value'],
      ['3', 'held', 'unknown_account'],
      ['1', 'conflict', 'content_differs'],
    ]);
    expect((await entries()).map(({ kind, events, skip }) => [kind, events, skip])).toEqual([['open', 4, [1, 2, 3]]]);
    expect(await held()).toMatchObject([{ reason: 'unknown_account', event: { id: '3' } }]);
    expect((await run([sum('1', '1')])).duplicate).toBe(1);
  });

  it('are held once, however often they are sent', async () => {
    await accept([sum('1', '1', { subject: 'nobody' })]);
    expect(await accept([sum('1', '1', { subject: 'nobody' })])).toEqual({ received: 1, duplicate: 1, rejected: [] });
    expect(await held()).toHaveLength(1);
  });
});

describe('identities', () => {
  it('are taken in the transactions of others too, once, and only when these commit', async () => {
    const event = (id: string, value = '1') => ({ ...sum(id, value), time: now, timeStated: true, value });
    const claims = (list: readonly ReturnType<typeof event>[]) =>
      list.map((each, ordinal) => identityRecord(seeded.provider, each, 1, ordinal));
    const take = (at: Writer, position: bigint, list: readonly ReturnType<typeof event>[], fail = false) =>
      at.transaction(async (tx) => {
        const store = new IdentityStore(at);
        await store.lock(tx);
        const taken = await store.claim(tx, position, claims(list));
        if (fail) throw new Error('rolled back');
        return [...taken];
      });
    const receipt = { position: 10n, ordinal: 0 };
    await expect(take(writer, 9n, [event('a'), event('x')], true)).rejects.toThrow('rolled back');
    expect(await take(writer, 10n, [event('a'), event('b'), event('a', '2')])).toEqual([[2, { receipt, same: false }]]);
    expect(await take(otherWriter, 11n, [event('c'), event('b'), event('b', '2')])).toEqual([
      [1, { receipt: { position: 10n, ordinal: 1 }, same: true }],
      [2, { receipt: { position: 10n, ordinal: 1 }, same: false }],
    ]);
    const find = (id: string) => new IdentityStore(writer).find(writer, eventIdentity(seeded.provider, '/test', id));
    expect(await find('c')).toEqual({ position: 11n, ordinal: 0 });
    expect(await find('x')).toBeUndefined();
  });

  it('are known by the same bytes in the database', async () => {
    const [row] = await writer.query<{ identity: Buffer }>(
      "SELECT substr(sha256(convert_to($1 || E'\\n' || $2 || E'\\n' || $3, 'UTF8')), 1, 16) AS identity",
      [seeded.provider, '/tëst', '🙂'],
    );
    expect(eventIdentity(seeded.provider, '/tëst', '🙂')).toEqual(row?.identity);
  });

  it('that wait in too great a number keep new ones out until they are folded', async () => {
    const small = new IngestUsage(writer, { mostUnfolded: 0 });
    await run([sum('1', '1')]);
    await expect(small.run({ provider: seeded.provider, events: [sum('2', '1')], now })).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'identities_behind',
      retryAfterSeconds: 5,
    });
  });
});
