import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { SentEvent } from '@core/metering';
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
  Backfills,
  IngestUsage,
  ListEvents,
  ReadEvent,
  RebuildUsage,
  type Replaces,
  RollUpUsage,
  VoidEvent,
} from '../index.js';

const now = instant(Date.UTC(2026, 10, 21, 12));
const clock: Clock = { now: () => now };
const HOUR = 3_600_000;
const hoursAgo = (hours: number) => formatInstant(addMs(now, -hours * HOUR));

let db: TestDatabase;
let database: Database;
let writer: Writer;
let ingest: IngestUsage;
let rollUp: RollUpUsage;
let backfills: Backfills;
let voids: VoidEvent;
let amends: AmendEvent;
let seeded: SeededProvider;
let provider: string;

const event = (id: string, hours: number, value: string, fields: Partial<SentEvent> = {}): SentEvent => ({
  source: '/test',
  id,
  type: 'bytes',
  subject: 'agent-1',
  time: hoursAgo(hours),
  data: { value },
  ...fields,
});
const send = (...events: SentEvent[]) => ingest.run({ provider, events, now });
const span = (from: number, to: number, account?: string): Replaces => ({
  type: 'bytes',
  from: addMs(now, -from * HOUR),
  to: addMs(now, -to * HOUR),
  ...(account === undefined ? {} : { account }),
});
const draft = async (replaces: Replaces | undefined, ...events: SentEvent[]): Promise<string> => {
  const { id } = await backfills.create({ provider, replaces, reason: 'the meter was wrong' });
  if (events.length > 0) await backfills.add({ provider, backfill: id, events, now });
  return id;
};
const commit = (backfill: string) => backfills.commit({ provider, backfill, now });
const revert = (backfill: string) => backfills.revert({ provider, backfill, now });
const settle = async () => {
  expect(await rollUp.run({ through: 'now' })).toMatchObject({ behind: 0 });
  expect(await new RebuildUsage(writer).compare({ provider })).toEqual([]);
};
/** [count, sum] of the meter, of one account or of all. */
const totals = async (account?: string, on: Pick<Writer, 'query'> = writer): Promise<[string, string]> => {
  const rows = await on.query<{ count: string; sum: string }>(
    `SELECT coalesce(sum(c.count), 0)::text AS count, coalesce(sum(c.sum), 0)::text AS sum
    FROM usage_cells c JOIN meters m ON m.number = c.meter JOIN accounts a ON a.number = c.account
    WHERE m.provider_id = $1 AND m.name = 'bytes' AND c.grain = 1440 AND ($2::text IS NULL OR a.name = $2)`,
    [provider, account ?? null],
  );
  return [rows[0]?.count ?? '', rows[0]?.sum ?? ''];
};
const failure = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => String(Reflect.get(Object(error), 'reason') ?? error),
  );

async function begin(): Promise<void> {
  seeded = await seedProvider(db);
  ({ provider } = seeded);
  await database.forProvider(provider, (tx) =>
    tx.account.create({
      data: { id: `acct_${randomUUID().replaceAll('-', '')}`, providerId: provider, name: 'agent-2' },
    }),
  );
  await new CreateMeter(database, new SystemIds(), clock).run({
    provider,
    name: 'bytes',
    aggregation: 'sum',
    unit: 'byte',
  });
}

beforeAll(async () => {
  db = await createTestDatabase();
  database = new Database(db.appUrl, 4);
  writer = new Writer(db.writerUrl, 8);
  ingest = new IngestUsage(writer);
  rollUp = new RollUpUsage(writer, new Outbox(), clock);
  backfills = new Backfills(database, writer, new SystemIds(), rollUp);
  voids = new VoidEvent(writer, rollUp);
  amends = new AmendEvent(writer, rollUp);
});
beforeEach(begin);
afterAll(async () => {
  await database.close();
  await writer.close();
  await db.drop();
});

describe('backfills', () => {
  it('add events of any age, and say which they refuse', async () => {
    const { id } = await backfills.create({ provider });
    const added = await backfills.add({
      provider,
      backfill: id,
      now,
      events: [
        event('old', 24 * 400, '3'),
        event('ahead', -1, '3'),
        event('none', 1, '3', { subject: 'nobody' }),
        event('odd', 1, '3', { type: 'none.such' }),
        event('timeless', 1, '3', { time: undefined }),
        event('bad', 1, 'x'),
      ],
    });
    expect(added).toMatchObject({ accepted: 1, rejected: 5, backfill: { id, state: 'draft', events: 1, parts: 1 } });
    expect(added.verdicts.map(({ index, reason }) => [index, reason])).toEqual([
      [1, 'time_in_future'],
      [2, 'unknown_account'],
      [3, 'unknown_meter'],
      [4, 'invalid_time'],
      [5, 'invalid_value'],
    ]);
    await settle();
    expect(await totals()).toEqual(['0', '0']);
    expect(await commit(id)).toMatchObject({ outcome: 'committed', added: 1, replaced: 0, verdicts: [] });
    expect(await commit(id)).toMatchObject({ outcome: 'already_committed', backfill: { state: 'committed' } });
    await settle();
    expect(await totals()).toEqual(['1', '3']);
    expect(await send(event('old', 1, '3'))).toMatchObject({ conflict: 1 });
  });

  it('take the place of stored events, and give it back', async () => {
    await send(event('1', 3, '1'), event('2', 2, '2'), event('3', 1, '4'), event('4', 2, '8', { subject: 'agent-2' }));
    await amends.run({ provider, source: '/test', id: '3', time: hoursAgo(2), now });
    await voids.run({ provider, source: '/test', id: '1', now });
    const id = await draft(span(3, 1, seeded.account), event('2', 2, '20'), event('5', 2, '40'), event('3', 2, '4'));
    expect(await commit(id)).toMatchObject({
      added: 2,
      replaced: 1,
      verdicts: [{ id: '3', verdict: 'duplicate', reason: 'stored' }],
    });
    await settle();
    expect([await totals('agent-1'), await totals('agent-2')]).toEqual([
      ['3', '64'],
      ['1', '8'],
    ]);
    const { versions } = await new ReadEvent(writer, rollUp).run({ provider, source: '/test', id: '2' });
    expect(versions).toMatchObject([
      { action: 'received' },
      { action: 'amend', backfill: id, reason: 'the meter was wrong', event: { value: '20' } },
    ]);

    expect(await revert(id)).toMatchObject({ outcome: 'reverted', backfill: { state: 'reverted' } });
    expect(await revert(id)).toMatchObject({ outcome: 'already_reverted' });
    expect(await failure(commit(id))).toBe('not_a_draft');
    await settle();
    expect([await totals('agent-1'), await totals('agent-2')]).toEqual([
      ['2', '6'],
      ['1', '8'],
    ]);
    const { events } = await new ListEvents(database).run({ provider });
    expect(events.map(({ id: name, state, value }) => [name, state, value])).toEqual([
      ['5', 'voided', '40'],
      ['4', 'counted', '8'],
      ['3', 'counted', '4'],
      ['2', 'counted', '2'],
      ['1', 'voided', '1'],
    ]);
    // What stopped counting by being reverted may come again; what was voided by hand may not.
    const again = await draft(undefined, event('5', 2, '50'), event('1', 3, '1'), event('2', 2, '7'));
    expect(await commit(again)).toMatchObject({
      added: 1,
      verdicts: [
        { id: '1', verdict: 'conflict', reason: 'voided' },
        { id: '2', verdict: 'conflict', reason: 'content_differs' },
      ],
    });
    await settle();
    expect(await totals('agent-1')).toEqual(['3', '56']);
  });

  it('stand on each other, and are taken down from the top', async () => {
    await send(event('1', 2, '1'));
    const first = await draft(span(3, 1), event('2', 2, '2'));
    await commit(first);
    const second = await draft(span(3, 1), event('3', 2, '4'));
    await commit(second);
    await settle();
    expect(await totals()).toEqual(['1', '4']);
    expect(await failure(revert(first))).toBe('replaced_since');
    await revert(second);
    await settle();
    expect(await totals()).toEqual(['1', '2']);
    await revert(first);
    await settle();
    expect(await totals()).toEqual(['1', '1']);
  });

  it('are kept or dropped as drafts', async () => {
    const id = await draft(undefined, event('1', 1, '1'));
    expect(await backfills.drop({ provider, backfill: id })).toMatchObject({
      outcome: 'dropped',
      backfill: { parts: 0 },
    });
    expect(await backfills.drop({ provider, backfill: id })).toMatchObject({ outcome: 'already_dropped' });
    expect(await failure(commit(id))).toBe('not_a_draft');
    expect(await failure(revert(id))).toBe('not_committed');
    expect(await failure(backfills.add({ provider, backfill: id, events: [event('2', 1, '1')], now }))).toBe(
      'not_a_draft',
    );
    expect(await failure(backfills.read({ provider: (await seedProvider(db)).provider, backfill: id }))).toBe(
      'unknown_backfill',
    );
    expect(await failure(backfills.create({ provider, replaces: span(1, 1) }))).toBe('invalid_range');
    expect(await failure(backfills.create({ provider, replaces: span(2, 1, 'acct_none') }))).toBe('unknown_account');
    const other = await draft(span(3, 2));
    const page = await backfills.list({ provider, limit: 1 });
    expect(page).toMatchObject({ backfills: [{ id: other, replaces: span(3, 2) }], next: other });
    expect(await backfills.list({ provider, limit: 1, cursor: page.next })).toMatchObject({
      backfills: [{ id, state: 'dropped' }],
    });
    expect((await backfills.list({ provider, state: 'dropped' })).backfills.map((each) => each.id)).toEqual([id]);
  });

  it('committed by many at once, among senders of the same events, count once', async () => {
    const events = ['1', '2', '3', '4', '5', '6'].map((id) => event(id, 2, '1'));
    const id = await draft(undefined, ...events);
    const results = await Promise.all([commit(id), ...events.map((each) => send(each)), commit(id), commit(id)]);
    const outcomes = results.flatMap((result) => ('outcome' in result ? [result.outcome] : []));
    expect(outcomes.sort()).toEqual(['already_committed', 'already_committed', 'committed']);
    await settle();
    expect(await totals()).toEqual(['6', '6']);
  });

  it('show in quantities what they would change, and leave no trace', async () => {
    await send(event('1', 2, '1'), event('2', 2, '2', { subject: 'agent-2' }));
    const id = await draft(
      span(3, 1),
      event('1', 2, '10'),
      event('9', 24 * 60, '30'),
      event('8', 1, '5', { subject: 'agent-2' }),
    );
    await settle();
    const { quantities, verdicts } = await backfills.quantities({ provider, backfill: id, now });
    expect(verdicts).toEqual([]);
    expect(quantities.map(({ before, after }) => [before.units, after.units]).sort()).toEqual([
      [1n, 40n],
      [2n, 5n],
    ]);
    expect(quantities.find(({ account }) => account === seeded.account)?.period.start).toBe(
      addMs(now, -24 * 60 * HOUR),
    );
    await settle();
    expect(await totals()).toEqual(['2', '3']);
    await commit(id);
    await settle();
    expect([await totals('agent-1'), await totals('agent-2')]).toEqual([
      ['2', '40'],
      ['1', '5'],
    ]);
    expect(await failure(backfills.quantities({ provider, backfill: id, now }))).toBe('not_a_draft');
  });

  it('are applied within a transaction of the caller', async () => {
    await send(event('1', 2, '1'));
    const id = await draft(span(3, 1), event('2', 2, '10'));
    await settle();
    const seen: unknown[] = [];
    const work = database.forProvider(provider, (tx) =>
      backfills.within(tx, id, async (affected) => {
        const query = async <Row>(text: string, values: readonly unknown[] = []) =>
          tx.$queryRawUnsafe<Row[]>(text, ...values);
        seen.push(affected, await totals(undefined, { query }));
        throw new Error('rolled back');
      }),
    );
    await expect(work).rejects.toThrow('rolled back');
    const [meter] = await writer.query<{ id: string }>('SELECT id FROM meters WHERE provider_id = $1', [provider]);
    expect(seen).toEqual([[{ account: seeded.account, meter: meter?.id, since: addMs(now, -2 * HOUR) }], ['1', '10']]);
    await settle();
    expect(await totals()).toEqual(['1', '1']);
  });
});

describe('any sequence of corrections', () => {
  const id = fc.constantFrom('1', '2', '3', '4', '5', '6');
  const usage = fc.record({
    id,
    hours: fc.integer({ min: 1, max: 6 }),
    value: fc.integer({ min: 1, max: 9 }),
    subject: fc.constantFrom('agent-1', 'agent-2'),
  });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('send' as const), usage }),
    fc.record({ kind: fc.constant('void' as const), id }),
    fc.record({ kind: fc.constant('amend' as const), id, usage }),
    fc.record({
      kind: fc.constant('backfill' as const),
      from: fc.integer({ min: 2, max: 7 }),
      length: fc.integer({ min: 0, max: 4 }),
      events: fc.uniqueArray(usage, { maxLength: 4, selector: (each) => each.id }),
    }),
    fc.record({ kind: fc.constant('revert' as const) }),
  );

  /** Written differently on purpose: what counts is kept as one value per event, and backfills as snapshots. */
  interface Known {
    now: { hours: number; value: number; subject: string } | undefined;
    by: string;
  }

  it('leaves the quantities of a model that knows no log', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        await begin();
        const known = new Map<string, Known>();
        const subjects = new Map<string, string>();
        const committed: { id: string; before: Map<string, Known | undefined> }[] = [];
        for (const each of steps) {
          if (each.kind === 'send') {
            const { id: name, hours, value, subject } = each.usage;
            await send(event(name, hours, String(value), { subject }));
            if (!known.has(name)) {
              known.set(name, { now: { hours, value, subject }, by: 'sender' });
              subjects.set(name, subject);
            }
          } else if (each.kind === 'void') {
            const target = known.get(each.id);
            const outcome = await failure(voids.run({ provider, source: '/test', id: each.id, now }));
            expect(outcome).toBe(target ? 'done' : 'unknown_event');
            if (target?.now) known.set(each.id, { now: undefined, by: 'hand' });
          } else if (each.kind === 'amend') {
            const { hours, value } = each.usage;
            const target = known.get(each.id);
            const outcome = await failure(
              amends.run({
                provider,
                source: '/test',
                id: each.id,
                time: hoursAgo(hours),
                data: { value: String(value) },
                now,
              }),
            );
            expect(outcome).toBe(target ? (target.now ? 'done' : 'voided') : 'unknown_event');
            if (target?.now && (target.now.hours !== hours || target.now.value !== value)) {
              known.set(each.id, { now: { ...target.now, hours, value }, by: 'hand' });
            }
          } else if (each.kind === 'backfill') {
            const { from, length, events } = each;
            const replaces = length === 0 ? undefined : span(from, from - length);
            const name = await draft(
              replaces,
              ...events.map(({ id: own, hours, value, subject }) => event(own, hours, String(value), { subject })),
            );
            await commit(name);
            const before = new Map<string, Known | undefined>();
            const given = new Map<string, (typeof events)[number]>(events.map((own) => [own.id, own]));
            const set = (own: string, next: Known) => {
              before.set(own, known.get(own));
              known.set(own, next);
            };
            const replaced = [...known].filter(
              ([, { now: current }]) => length > 0 && current && current.hours <= from && current.hours > from - length,
            );
            for (const [own, { now: current }] of replaced) {
              const next = given.get(own);
              if (next?.subject !== subjects.get(own)) {
                set(own, { now: undefined, by: name });
              } else if (next && (next.hours !== current?.hours || next.value !== current.value)) {
                set(own, { now: next, by: name });
              }
            }
            for (const [own, next] of given) {
              if (replaced.some(([other]) => other === own)) continue;
              const target = known.get(own);
              const mayCome =
                !target || (!target.now && target.by === 'reverted' && subjects.get(own) === next.subject);
              if (!mayCome) continue;
              set(own, { now: next, by: name });
              subjects.set(own, next.subject);
            }
            committed.push({ id: name, before });
          } else {
            const last = committed.pop();
            if (!last) continue;
            await revert(last.id);
            for (const [own, before] of last.before) {
              if (before === undefined)
                known.set(own, { now: undefined, by: known.get(own)?.now ? 'reverted' : (known.get(own)?.by ?? '') });
              else if (known.get(own)?.by === last.id) known.set(own, before);
            }
          }
          await rollUp.run({ through: 'now' });
          for (const subject of ['agent-1', 'agent-2']) {
            const counted = [...known.values()].filter(({ now: current }) => current?.subject === subject);
            const total = counted.reduce((sum, { now: current }) => sum + (current?.value ?? 0), 0);
            expect([each.kind, ...(await totals(subject))]).toEqual([each.kind, String(counted.length), String(total)]);
          }
        }
        await settle();
      }),
      { numRuns: 25 },
    );
  }, 240_000);
});
