import { randomUUID } from 'node:crypto';
import type { SentEvent } from '@core/metering';
import { decimal } from '@core/money';
import { type Clock, addMs, formatInstant, instant } from '@core/time';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import {
  type SeededProvider,
  type TestDatabase,
  createTestDatabase,
  seedProvider,
} from '../../../../../test/support/database.js';
import { CreateMeter } from '../meters/create-meter.js';
import {
  AmendEvent,
  HeldEvents,
  IngestUsage,
  ListEvents,
  ReadEvent,
  RebuildUsage,
  RollUpUsage,
  VoidEvent,
} from '../index.js';
import { IngestBatch } from '../doors/ingest-batch.js';

const now = instant(Date.UTC(2026, 10, 21, 12));
const clock: Clock = { now: () => now };
const ago = (ms: number) => formatInstant(addMs(now, -ms));
const HOUR = 3_600_000;

let db: TestDatabase;
let database: Database;
let writer: Writer;
let ingest: IngestUsage;
let rollUp: RollUpUsage;
let voids: VoidEvent;
let amends: AmendEvent;
let held: HeldEvents;
let list: ListEvents;
let read: ReadEvent;
let seeded: SeededProvider;

const event = (id: string, fields: Partial<SentEvent> = {}): SentEvent => ({
  source: '/test',
  id,
  type: 'bytes',
  subject: 'agent-1',
  time: ago(HOUR),
  data: { value: '5' },
  ...fields,
});
const send = (...events: SentEvent[]) => ingest.run({ provider: seeded.provider, events, now });
const named = (id: string, source = '/test') => ({ provider: seeded.provider, source, id, now });
const sumOf = async (meter: string, column = 'sum'): Promise<string> => {
  const rows = await writer.query<{ total: string }>(
    `SELECT coalesce(sum(c.${column}), 0)::text AS total FROM usage_cells c JOIN meters m ON m.number = c.meter
    WHERE m.provider_id = $1 AND m.name = $2 AND c.grain = 1440`,
    [seeded.provider, meter],
  );
  return rows[0]?.total ?? '';
};
/** Everything that is stored is rolled up, and a rebuild would change nothing. */
const settle = async () => {
  expect(await rollUp.run({ through: 'now' })).toMatchObject({ behind: 0 });
  expect(await new RebuildUsage(writer).compare({ provider: seeded.provider })).toEqual([]);
};
const entries = async () =>
  Number(
    (
      await writer.query<{ n: string }>(
        "SELECT count(*)::text AS n FROM usage_log WHERE provider_id = $1 AND kind = 'change'",
        [seeded.provider],
      )
    )[0]?.n,
  );
const failure = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => String(Reflect.get(Object(error), 'reason')),
  );

beforeAll(async () => {
  db = await createTestDatabase();
  database = new Database(db.appUrl, 4);
  writer = new Writer(db.writerUrl, 8);
  ingest = new IngestUsage(writer);
  rollUp = new RollUpUsage(writer, new Outbox(), clock);
  voids = new VoidEvent(writer, rollUp);
  amends = new AmendEvent(writer, rollUp);
  held = new HeldEvents(database, writer);
  list = new ListEvents(database);
  read = new ReadEvent(writer, rollUp);
});
beforeEach(async () => {
  seeded = await seedProvider(db);
  const meters = new CreateMeter(database, new SystemIds(), clock);
  const { provider } = seeded;
  await meters.run({ provider, name: 'bytes', aggregation: 'sum', unit: 'byte', groupBy: ['region'] });
  await meters.run({ provider, name: 'storage', aggregation: 'level', unit: 'byte' });
  await meters.run({
    provider,
    name: 'capped',
    aggregation: 'sum',
    unit: 'byte',
    limits: { perEvent: decimal(100n), perHour: decimal(150n) },
  });
});
afterAll(async () => {
  await database.close();
  await writer.close();
  await db.drop();
});

describe('voiding', () => {
  it('takes an event out of what counts, once, and keeps it readable', async () => {
    await send(event('1'), event('2', { data: { value: '7', dimensions: { region: 'eu' } } }));
    await settle();
    expect(await sumOf('bytes')).toBe('12');
    expect(await voids.run({ ...named('2'), reason: 'sent by mistake' })).toMatchObject({
      outcome: 'voided',
      event: { state: 'voided', value: '7' },
    });
    await settle();
    expect([await sumOf('bytes'), await sumOf('bytes', 'count')]).toEqual(['5', '1']);
    expect(await voids.run(named('2'))).toMatchObject({ outcome: 'already_voided' });
    expect(await entries()).toBe(1);
    const { versions } = await read.run(named('2'));
    expect(versions).toMatchObject([
      { revision: 0, action: 'received', event: { value: '7' } },
      { revision: 1, action: 'void', reason: 'sent by mistake' },
    ]);
    expect(versions[1]?.event).toBeUndefined();
  });

  it('refuses the identity of a voided event to a new one', async () => {
    await send(event('1'));
    await voids.run(named('1'));
    const { verdicts } = await send(event('1', { data: { value: '6' } }));
    expect(verdicts).toMatchObject([{ verdict: 'conflict', reason: 'voided' }]);
  });

  it('finds events of the stream door by their place', async () => {
    const stream = randomUUID();
    const batch = {
      stream,
      source: '/compute',
      seq: 1,
      t0: now - HOUR,
      types: ['bytes'],
      accounts: ['agent-1', 'nobody'],
      columns: { type: [0, 0, 0], account: [0, 0, 1], time: [0, 1, 2], value: [1, 20, 300] },
    };
    await new IngestBatch(writer).run({ provider: seeded.provider, body: JSON.stringify(batch), now });
    expect(await voids.run(named(`${stream}.1.1`, '/compute'))).toMatchObject({ outcome: 'voided' });
    expect(await failure(voids.run(named(`${stream}.1.0`, '/other')))).toBe('unknown_event');
    expect(await failure(voids.run(named(`${stream}.1.3`, '/compute')))).toBe('unknown_event');
    expect(await voids.run(named(`${stream}.1.2`, '/compute'))).toMatchObject({
      outcome: 'discarded',
      event: { state: 'discarded' },
    });
    await settle();
    expect(await sumOf('bytes')).toBe('1');
  });

  it('finds what was only just accepted', async () => {
    await ingest.accept({ provider: seeded.provider, events: [event('1'), event('2'), event('1')], now });
    expect(await voids.run(named('1'))).toMatchObject({ outcome: 'voided' });
    expect(await failure(voids.run(named('3')))).toBe('unknown_event');
    await settle();
    expect(await sumOf('bytes')).toBe('5');
  });

  it('leaves usage sold through the gate alone, and events of other providers', async () => {
    expect(await failure(voids.run(named('pay_1', 'farebox:gate')))).toBe('sold_usage');
    await send(event('1'));
    const other = await seedProvider(db);
    expect(await failure(voids.run({ ...named('1'), provider: other.provider }))).toBe('unknown_event');
  });
});

describe('amending', () => {
  it('has the last version count, in the place of the first', async () => {
    await send(event('1'), event('2', { type: 'storage', data: { level: '10', resource: 'b' } }));
    await send(event('3', { type: 'storage', data: { level: '20', resource: 'b' } }));
    await settle();
    expect(await amends.run({ ...named('1'), data: { value: '8' } })).toMatchObject({
      outcome: 'amended',
      event: { amended: true, value: '8' },
    });
    expect(await amends.run({ ...named('1'), time: ago(50 * 24 * HOUR) })).toMatchObject({
      outcome: 'amended',
      event: { value: '8' },
    });
    expect(await amends.run({ ...named('2'), data: { level: '30', resource: 'b' } })).toMatchObject({
      outcome: 'amended',
    });
    await settle();
    expect(await sumOf('bytes')).toBe('8');
    // Of two levels at one instant the later received one holds: the amended one is still the earlier one.
    const points = await writer.query<{ number: string }>(
      `SELECT p.number::text AS number FROM usage_points p JOIN meters m ON m.number = p.meter WHERE m.provider_id = $1 ORDER BY p.position, p.ordinal`,
      [seeded.provider],
    );
    expect(points.map(({ number }) => number)).toEqual(['30', '20']);
    const { event: seen, versions } = await read.run(named('1'));
    expect(seen).toMatchObject({ source: '/test', id: '1', account: seeded.account, state: 'counted' });
    expect(versions.map(({ action, event: version }) => [action, version?.value])).toEqual([
      ['received', '5'],
      ['amend', '8'],
      ['amend', '8'],
    ]);
  });

  it('changes nothing when the content is the same', async () => {
    await send(event('1'));
    expect(await amends.run({ ...named('1'), data: { value: '5.0' } })).toMatchObject({ outcome: 'unchanged' });
    expect(await entries()).toBe(0);
  });

  it('is judged like a new event, but for its age', async () => {
    await send(event('1'));
    const reasonOf = (fields: Partial<Parameters<AmendEvent['run']>[0]>) =>
      failure(amends.run({ ...named('1'), ...fields }));
    expect(await reasonOf({ data: { value: '-1' } })).toBe('invalid_value');
    expect(await reasonOf({ data: null })).toBe('invalid_value');
    expect(await reasonOf({ time: formatInstant(addMs(now, 300_001)) })).toBe('time_in_future');
    expect(await reasonOf({ time: 'yesterday' })).toBe('invalid_time');
    expect(await reasonOf({ type: 'none.such' })).toBe('unknown_meter');
    expect(await reasonOf({ type: 'capped', data: { value: '101' } })).toBe('over_event_ceiling');
    expect(await reasonOf({ type: 'capped', data: { value: '99' } })).toBe('done');
    await settle();
    expect([await sumOf('bytes'), await sumOf('capped')]).toEqual(['0', '99']);
    await voids.run(named('1'));
    expect(await reasonOf({ data: { value: '1' } })).toBe('voided');
    await settle();
    expect(await sumOf('capped')).toBe('0');
  });

  it('of one event by many at once comes out as if one after the other', async () => {
    await send(event('1'));
    await Promise.all(['11', '12', '13', '14'].map((value) => amends.run({ ...named('1'), data: { value } })));
    const outcomes = await Promise.all([
      voids.run(named('1')),
      voids.run(named('1')),
      failure(amends.run({ ...named('1'), data: { value: '15' } })),
    ]);
    expect([outcomes[0].outcome, outcomes[1].outcome].sort()).toEqual(['already_voided', 'voided']);
    await settle();
    expect(await sumOf('bytes')).toBe('0');
    const { versions } = await read.run(named('1'));
    expect(versions.map(({ revision }) => revision)).toEqual(versions.map((_, i) => i));
    expect(versions.at(-1)?.action).toBe('void');
  });
});

describe('held events', () => {
  const account = (name: string) =>
    database.forProvider(seeded.provider, (tx) =>
      tx.account.create({
        data: { id: `acct_${randomUUID().replaceAll('-', '')}`, providerId: seeded.provider, name },
      }),
    );
  const replay = (select: Parameters<HeldEvents['replay']>[0]['select'] = {}) =>
    held.replay({ provider: seeded.provider, select, now });

  it('count once what they waited for is there, at the place they always had', async () => {
    await send(
      event('1', { subject: 'late' }),
      event('2', { subject: 'nobody' }),
      event('3', { type: 'later' }),
      event('4', { type: 'capped', data: { value: '1000' } }),
    );
    await settle();
    const page = await held.list({ provider: seeded.provider });
    expect(page.events.map(({ reason, state }) => [reason, state])).toEqual([
      ['unknown_account', 'held'],
      ['unknown_account', 'held'],
      ['unknown_meter', 'held'],
      ['over_event_ceiling', 'held'],
    ]);
    expect(await failure(amends.run({ ...named('1'), data: { value: '9' } }))).toBe('held');
    await account('late');
    await new CreateMeter(database, new SystemIds(), clock).run({
      provider: seeded.provider,
      name: 'later',
      aggregation: 'sum',
      unit: 'byte',
    });
    expect(await replay()).toMatchObject({ replayed: 3, verdicts: [{ verdict: 'held', reason: 'unknown_account' }] });
    expect(await replay()).toMatchObject({ replayed: 0 });
    await settle();
    expect([await sumOf('bytes'), await sumOf('later'), await sumOf('capped')]).toEqual(['5', '5', '1000']);
    expect(await amends.run({ ...named('1'), data: { value: '9' } })).toMatchObject({ outcome: 'amended' });
    expect(await voids.run(named('4'))).toMatchObject({ outcome: 'voided', event: { held: 'over_event_ceiling' } });
    await settle();
    expect([await sumOf('bytes'), await sumOf('capped')]).toEqual(['9', '0']);
    const states = (await held.list({ provider: seeded.provider, reason: 'unknown_account' })).events.map(
      ({ state }) => state,
    );
    expect(states).toEqual(['replayed', 'held']);
    expect((await read.run(named('1'))).versions.map(({ action }) => action)).toEqual(['received', 'restore', 'amend']);
  });

  it('over an hourly ceiling are found by the roll-up and let through by hand', async () => {
    await send(
      event('1', { type: 'capped', data: { value: '90' } }),
      event('2', { type: 'capped', data: { value: '80' } }),
    );
    await settle();
    expect(await sumOf('capped')).toBe('90');
    expect(await replay({ reason: 'over_hour_ceiling' })).toEqual({ replayed: 1, verdicts: [] });
    await settle();
    expect(await sumOf('capped')).toBe('170');
  });

  it('are dealt with in pages, by receipt or by what they say', async () => {
    await send(...['a', 'b', 'c', 'd'].map((id) => event(id, { subject: id === 'd' ? 'other' : 'late' })));
    const first = await held.list({ provider: seeded.provider, limit: 3 });
    expect(first.events.map(({ event: { id } }) => id)).toEqual(['a', 'b', 'c']);
    const second = await held.list({ provider: seeded.provider, limit: 3, cursor: first.next });
    expect(second).toMatchObject({ events: [{ event: { id: 'd' } }] });
    expect(second.next).toBeUndefined();
    await account('late');
    await account('other');
    const done = await held.replay({ provider: seeded.provider, select: { subject: 'late' }, most: 2, now });
    expect(done).toMatchObject({ replayed: 2, next: first.events[1]?.receipt });
    expect(await replay({ subject: 'late', after: done.next })).toEqual({ replayed: 1, verdicts: [] });
    const last = second.events.map(({ receipt }) => receipt);
    expect(await held.discard({ provider: seeded.provider, select: { receipts: last } })).toEqual({ discarded: 1 });
    expect(await replay({ receipts: last })).toEqual({ replayed: 0, verdicts: [] });
    await settle();
    expect(await sumOf('bytes')).toBe('15');
    expect(await failure(replay({ receipts: ['x'] }))).toBe('invalid_receipt');
  });

  it('accepted without verdicts are there once, however often they were sent', async () => {
    const late = event('a', { subject: 'late' });
    await ingest.accept({ provider: seeded.provider, events: [late, late, event('b')], now });
    await ingest.accept({ provider: seeded.provider, events: [late], now });
    await account('late');
    expect(await replay()).toEqual({ replayed: 1, verdicts: [] });
    expect(await send(late)).toMatchObject({ duplicate: 1 });
    await settle();
    expect(await replay()).toEqual({ replayed: 0, verdicts: [] });
    expect(await sumOf('bytes')).toBe('10');
  });

  it('replayed by many at once count once', async () => {
    await send(...['a', 'b', 'c'].map((id) => event(id, { subject: 'late' })));
    await account('late');
    const results = await Promise.all([replay(), replay(), replay(), voids.run(named('b'))]);
    await settle();
    const discarded = results[3].outcome === 'discarded' ? 1 : 0;
    expect(results[0].replayed + results[1].replayed + results[2].replayed).toBe(3 - discarded);
    expect(await sumOf('bytes')).toBe('10');
  });
});

describe('the list of events', () => {
  const pages = async (filter: Partial<Parameters<ListEvents['run']>[0]> = {}) => {
    const ids: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await list.run({ provider: seeded.provider, ...filter, cursor });
      ids.push(...page.events.map(({ id }) => id));
      if (page.next === undefined) return ids;
      cursor = page.next;
    }
  };

  it('shows the last received first, each once in its current version', async () => {
    await send(event('1'), event('2', { subject: 'nobody' }), event('3', { data: { value: 'x' } }), event('1'));
    await send(event('4', { type: 'storage', data: { level: '1' } }));
    await amends.run({ ...named('1'), data: { value: '6' } });
    await voids.run(named('4'));
    const { events } = await list.run({ provider: seeded.provider });
    expect(events.map(({ id, state, amended, value, held: why }) => [id, state, amended, value, why])).toEqual([
      ['4', 'voided', false, undefined, undefined],
      ['2', 'held', false, '5', 'unknown_account'],
      ['1', 'counted', true, '6', undefined],
    ]);
    expect(events[2]).toMatchObject({ account: seeded.account, kind: 'open', type: 'bytes' });
    for (const limit of [1, 2, 3]) expect(await pages({ limit })).toEqual(['4', '2', '1']);
    expect(await pages({ account: seeded.account })).toEqual(['4', '1']);
    expect(await pages({ type: 'bytes' })).toEqual(['2', '1']);
    expect(await pages({ meter: 'storage' })).toEqual(['4']);
    expect(await pages({ kind: 'stream' })).toEqual([]);
    expect(await failure(pages({ meter: 'none' }))).toBe('unknown_meter');
    expect(await failure(pages({ limit: 0 }))).toBe('invalid_limit');
    expect(await failure(list.run({ provider: seeded.provider, cursor: '?' }))).toBe('invalid_receipt');
  });

  it('shows usage sold through the gate with the payment that bought it', async () => {
    await send(event('1'));
    const payment = new SystemIds().next('pay');
    await writer.query(
      `INSERT INTO payments (id, provider_id, account_id, origin, state, network, chain_id, asset, asset_id, payer, pay_to, nonce, amount, valid_after,
        valid_before, signature, binding, resource, meter_id, quantity, release, known_payer, expires_at)
      SELECT $1, $2, $3, 'gate', 'reserved', 'eip155:84532', 84532, '0x1', 'eip155:84532/erc20:0x1', '0xa', '0xb', decode(md5($1) || md5($1), 'hex'), 5, 0,
        9999999999, decode(repeat('11', 65), 'hex'), decode(repeat('22', 32), 'hex'), '=GET /thing', m.id, 3, 'submitted', false, now() + interval '1 minute'
      FROM meters m WHERE m.provider_id = $2 AND m.name = 'bytes'`,
      [payment, seeded.provider, seeded.account],
    );
    const item = { id: payment, provider: seeded.provider, charged: '5', quantity: '3', transfers: [] };
    await writer.query('SELECT capture_payments($1::jsonb)', [JSON.stringify([item])]);
    await settle();
    const { events } = await list.run({ provider: seeded.provider, meter: 'bytes' });
    const sold = {
      id: payment,
      payment,
      kind: 'sold',
      state: 'counted',
      type: 'bytes',
      value: '3',
      account: seeded.account,
    };
    expect(events).toMatchObject([sold, { id: '1', kind: 'open' }]);
    expect(await pages({ type: 'storage' })).toEqual([]);
    expect(await pages({ kind: 'sold' })).toEqual([payment]);
    expect(await read.run(named(payment, 'farebox:gate'))).toMatchObject({
      event: sold,
      versions: [{ action: 'received' }],
    });
    expect(await failure(read.run(named('pay_none', 'farebox:gate')))).toBe('unknown_event');
  });

  it('goes through more entries than it looks at for one page', async () => {
    await writer.query(
      `INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
      SELECT next_usage_position(), $1, 'open', $2, $2, 1, json_build_object('t0', 0, 'types', '["bytes"]'::json, 'accounts', '["agent-1"]'::json,
        'sources', '["/many"]'::json, 'columns', json_build_object('type', '[0]'::json, 'account', '[0]'::json, 'time', '[0]'::json,
        'value', '[1]'::json, 'source', '[0]'::json, 'id', json_build_array(i::text)))::text, ARRAY[(SELECT number FROM accounts WHERE id = $3)]
      FROM generate_series(1, 2300) i`,
      [seeded.provider, ago(0), seeded.account],
    );
    expect((await pages({ limit: 500 })).length).toBe(2300);
    expect(await pages({ type: 'storage' })).toEqual([]);
    const short = await list.run({ provider: seeded.provider, type: 'storage' });
    expect(short).toMatchObject({ events: [], next: expect.any(String) as string });
  });
});
