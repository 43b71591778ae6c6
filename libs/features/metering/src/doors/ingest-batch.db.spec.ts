import { randomUUID } from 'node:crypto';
import { addMs, instant } from '@core/time';
import { decimal } from '@core/money';
import { Database, Writer } from '@platform/database';
import { SystemIds } from '@platform/system';
import {
  type SeededProvider,
  type TestDatabase,
  createTestDatabase,
  seedProvider,
} from '../../../../../test/support/database.js';
import { CreateMeter, IngestBatch, ListStreams, MOST_BATCH_BYTES } from '../index.js';

const now = instant(Date.UTC(2026, 10, 21, 12));

let db: TestDatabase;
let database: Database;
let writer: Writer;
let otherWriter: Writer;
let doors: readonly [IngestBatch, IngestBatch];
let seeded: SeededProvider;

interface Sent {
  readonly stream: string;
  readonly seq: number;
  readonly value?: readonly unknown[];
  readonly accounts?: readonly string[];
  readonly source?: string;
}
const bodyOf = ({ stream, seq, value = ['1'], accounts = ['agent-1'], source = '/test' }: Sent): string =>
  JSON.stringify({
    ...{ stream, source, seq, t0: now - 60_000, types: ['bytes', 'nothing'], accounts },
    columns: {
      type: value.map(() => 0),
      account: value.map((_, i) => i % accounts.length),
      time: value.map((_, i) => i),
      value,
    },
  });
const send = (sent: Sent, door: 0 | 1 = 0, provider = seeded.provider) =>
  doors[door].run({ provider, body: bodyOf(sent), now });
const streams = () => new ListStreams(database).run({ provider: seeded.provider });
const log = () =>
  writer.query<{
    seq: string;
    body: string;
    events: number;
    skip: number[] | null;
    items: unknown;
    since: Date;
    until: Date;
  }>(
    "SELECT seq::text, body, events, skip, items, since, until FROM usage_log WHERE provider_id = $1 AND kind = 'stream' ORDER BY seq",
    [seeded.provider],
  );

beforeAll(async () => {
  db = await createTestDatabase();
  database = new Database(db.appUrl, 4);
  writer = new Writer(db.writerUrl, 8);
  otherWriter = new Writer(db.writerUrl, 8);
  doors = [new IngestBatch(writer), new IngestBatch(otherWriter)];
});
beforeEach(async () => {
  seeded = await seedProvider(db);
  const meters = new CreateMeter(database, new SystemIds(), { now: () => now });
  const limits = { perEvent: decimal(1000n) };
  await meters.run({ provider: seeded.provider, name: 'bytes', aggregation: 'sum', unit: 'byte', limits });
});
afterAll(async () => {
  await Promise.all([database.close(), writer.close(), otherWriter.close()]);
  await db.drop();
});

describe('a numbered batch counts once', () => {
  it('is kept byte for byte, and answered the same when it is sent again', async () => {
    const batch = {
      stream: randomUUID(),
      seq: 1,
      value: ['1', 'much', 5000, 2],
      accounts: ['agent-1', seeded.account],
    };
    const first = await send(batch);
    expect(first).toMatchObject({ outcome: 'stored', accepted: 2, held: 1, rejected: 1, completeThrough: 1 });
    expect(first.items.map(({ index, verdict, reason }) => [index, verdict, reason])).toEqual([
      [1, 'rejected', 'invalid_value'],
      [2, 'held', 'over_event_ceiling'],
    ]);
    expect(await send(batch, 1)).toEqual({ ...first, outcome: 'duplicate' });
    const [entry, ...others] = await log();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ body: bodyOf(batch), events: 4, skip: [1, 2], items: first.items });
    expect([entry?.since.getTime(), entry?.until.getTime()]).toEqual([now - 60_000, now - 60_000 + 3]);
  });

  it('is answered as it was first, even if it would be judged otherwise by now', async () => {
    const batch = { stream: randomUUID(), seq: 1, accounts: ['later'] };
    const first = await send(batch);
    expect(first).toMatchObject({ accepted: 0, held: 1, items: [{ index: 0, reason: 'unknown_account' }] });
    await database.forProvider(seeded.provider, (tx) =>
      tx.account.create({ data: { id: `acct_${'2'.repeat(32)}`, providerId: seeded.provider, name: 'later' } }),
    );
    expect(await send(batch)).toEqual({ ...first, outcome: 'duplicate' });
    expect(await send({ ...batch, seq: 2 })).toMatchObject({ accepted: 1, held: 0 });
    const held = await writer.query('SELECT reason, event FROM usage_held WHERE provider_id = $1', [seeded.provider]);
    expect(held).toMatchObject([
      { reason: 'unknown_account', event: { id: `${batch.stream}.1.0`, subject: 'later', value: '1' } },
    ]);
  });

  it('takes its number, so that other bytes under it are refused', async () => {
    const batch = { stream: randomUUID(), seq: 1 };
    await send(batch);
    for (const door of [0, 1] as const) {
      await expect(send({ ...batch, value: ['2'] }, door)).rejects.toMatchObject({
        ...{ code: 'conflict', reason: 'sequence_reused', retryable: false },
      });
    }
    const both = await Promise.allSettled([send({ ...batch, seq: 2 }), send({ ...batch, seq: 2, value: ['3'] })]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await log()).toHaveLength(2);
  });

  it('is kept though every event of it is rejected, since its number is spent', async () => {
    const stream = randomUUID();
    expect(await send({ stream, seq: 1, value: ['much'] })).toMatchObject({
      outcome: 'stored',
      accepted: 0,
      rejected: 1,
    });
    expect(await send({ stream, seq: 2 })).toMatchObject({ completeThrough: 2 });
    expect((await log()).map(({ skip }) => skip)).toEqual([[0], null]);
  });

  it('is told from the next ones although they arrive together', async () => {
    const stream = randomUUID();
    await send({ stream, seq: 1 });
    const answers = await Promise.all([2, 2, 4, 1].map((seq) => send({ stream, seq })));
    expect(answers.map(({ outcome }) => outcome).sort()).toEqual(['duplicate', 'duplicate', 'stored', 'stored']);
    const following = await Promise.all([5, 3, 6].map((seq) => send({ stream, seq })));
    expect(following.map(({ outcome }) => outcome)).toEqual(['stored', 'stored', 'stored']);
    const inOrder = await Promise.all(
      [7, 8, 9].map((seq) => send({ stream, seq, value: seq === 8 ? ['much'] : ['1'] })),
    );
    expect(inOrder.map(({ rejected }) => rejected)).toEqual([0, 1, 0]);
    expect(Math.max(...inOrder.map(({ completeThrough }) => completeThrough))).toBe(9);
    expect((await streams()).streams[0]).toMatchObject({ highest: 9, batches: 9, events: 9, completeThrough: 9 });
    expect((await log()).map(({ seq }) => seq)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
  });

  it('belongs to its provider', async () => {
    const stranger = await seedProvider(db);
    const stream = randomUUID();
    await send({ stream, seq: 1 });
    expect(await send({ stream, seq: 1, value: ['7'] }, 0, stranger.provider)).toMatchObject({
      outcome: 'stored',
      held: 1,
    });
    expect((await streams()).streams).toHaveLength(1);
  });

  it('holds with many senders, two processes, repeats and numbers out of order', async () => {
    const ids = Array.from({ length: 5 }, () => randomUUID());
    const batches = ids.flatMap((stream, s) =>
      Array.from({ length: 20 }, (_, i) => ({ stream, seq: i + 1, value: Array.from({ length: s + 1 }, () => '1') })),
    );
    const shuffled = [...batches, ...batches, ...batches]
      .map((batch, i) => ({ batch, order: (i * 7919) % 311 }))
      .sort((a, b) => a.order - b.order);
    const answers = await Promise.all(shuffled.map(({ batch }, i) => send(batch, i % 2 === 0 ? 0 : 1)));
    expect(answers.filter(({ outcome }) => outcome === 'stored')).toHaveLength(100);
    expect(answers.filter(({ outcome }) => outcome === 'duplicate')).toHaveLength(200);
    const { streams: list } = await streams();
    expect(
      list.map(({ highest, batches, completeThrough, missing }) => [highest, batches, completeThrough, missing]),
    ).toEqual(ids.map(() => [20, 20, 20, []]));
    expect(list.reduce((sum, { events }) => sum + events, 0)).toBe(20 * (1 + 2 + 3 + 4 + 5));
    expect((await log()).reduce((sum, { events }) => sum + events, 0)).toBe(300);
  });
});

describe('gaps in a stream', () => {
  it('show until they are filled', async () => {
    const stream = randomUUID();
    expect(await send({ stream, seq: 3 })).toMatchObject({ completeThrough: 0 });
    expect(await send({ stream, seq: 7 })).toMatchObject({ completeThrough: 0 });
    const gaps = (await streams()).streams[0];
    expect(gaps).toMatchObject({ stream, source: '/test', highest: 7, completeThrough: 0, batches: 2, events: 2 });
    expect(gaps?.missing).toEqual([
      { from: 1, to: 2 },
      { from: 4, to: 6 },
    ]);
    const through = [];
    for (const seq of [2, 1, 5, 4, 6]) through.push((await send({ stream, seq })).completeThrough);
    expect(through).toEqual([0, 3, 3, 5, 7]);
    expect((await streams()).streams[0]).toMatchObject({ completeThrough: 7, missing: [] });
  });

  it('may be as wide as numbers go', async () => {
    const stream = randomUUID();
    await send({ stream, seq: Number.MAX_SAFE_INTEGER });
    expect((await streams()).streams[0]?.missing).toEqual([{ from: 1, to: Number.MAX_SAFE_INTEGER - 1 }]);
    expect(await send({ stream, seq: 1 })).toMatchObject({ outcome: 'stored', completeThrough: 1 });
  });

  it('are paged through with their streams, the last heard of first', async () => {
    const ids = [randomUUID(), randomUUID(), randomUUID()];
    for (const stream of ids) await send({ stream, seq: stream === ids[1] ? 2 : 1 });
    const list = new ListStreams(database);
    const first = await list.run({ provider: seeded.provider, limit: 2 });
    const second = await list.run({ provider: seeded.provider, limit: 2, cursor: first.next });
    expect([...first.streams, ...second.streams].map(({ stream }) => stream).sort()).toEqual([...ids].sort());
    expect(second.next).toBeUndefined();
    const incomplete = await list.run({ provider: seeded.provider, incomplete: true });
    expect(incomplete.streams.map(({ stream }) => stream)).toEqual([ids[1]]);
    await expect(list.run({ provider: seeded.provider, cursor: '1; DROP' })).rejects.toMatchObject({
      reason: 'invalid_cursor',
    });
    await expect(list.run({ provider: seeded.provider, limit: 0 })).rejects.toMatchObject({ reason: 'invalid_limit' });
  });
});

describe('the stream door', () => {
  const refused = (body: string | Buffer) =>
    doors[0].run({ provider: seeded.provider, body, now }).then(
      () => 'kept',
      (fault: { code: string; reason?: string }) => fault.reason ?? fault.code,
    );

  it('refuses what it cannot read, and keeps nothing of it', async () => {
    const good = bodyOf({ stream: randomUUID(), seq: 1 });
    const bodies = [
      '',
      '{',
      'null',
      '[]',
      good.replace('"seq":1', '"seq":0'),
      good.replace('"account":[0]', '"account":[1]'),
      good.replace('"time":[0]', '"time":[0,0]'),
      good.replace('"time":[0]', '"time":[0],"id":["mine"]'),
      good.replace('"source":"/test"', '"source":"farebox:gate"'),
      Buffer.concat([Buffer.from(good.slice(0, -1)), Buffer.from([0xff]), Buffer.from('}')]),
      Buffer.from(good.replace('agent-1', 'agent-\u{1F600}')).subarray(0, -1),
    ];
    expect(await Promise.all(bodies.map(refused))).toEqual(bodies.map(() => 'unreadable_batch'));
    expect(await refused(`${good}${' '.repeat(MOST_BATCH_BYTES)}`)).toBe('payload_too_large');
    expect(await log()).toEqual([]);
  });

  it('keeps names that PostgreSQL would not take out of the way of the others', async () => {
    const odd = {
      stream: randomUUID(),
      seq: 1,
      accounts: ['\0', '\ud800', 'a\nb', 'agent-1'],
      value: [1, 1, 1, '\0\ud800', 2, 2, 2, 2],
    };
    const [answer, other] = await Promise.all([send(odd), send({ stream: randomUUID(), seq: 1 })]);
    expect([answer.rejected, answer.accepted, other.accepted]).toEqual([7, 1, 1]);
    expect((await log()).map(({ body }) => body)).toContain(bodyOf(odd));
    expect((await send(odd)).outcome).toBe('duplicate');
  });

  it('asks senders to come back when too many bytes are under way', async () => {
    const bodies = [1, 2, 3].map((seq) => bodyOf({ stream: randomUUID(), seq }));
    const small = new IngestBatch(writer, { mostBytes: 2 * (bodies[0]?.length ?? 0) - 1 });
    const calls = bodies.map((body) => small.run({ provider: seeded.provider, body, now }));
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    await expect(calls[2]).rejects.toMatchObject({
      code: 'too_many_requests',
      reason: 'ingest_saturated',
      retryAfterSeconds: 1,
    });
  });

  it('judges by the time it is', async () => {
    const batch = { stream: randomUUID(), seq: 1 };
    const late = await doors[0].run({
      provider: seeded.provider,
      body: bodyOf(batch),
      now: addMs(now, 40 * 86_400_000),
    });
    expect(late.items).toMatchObject([{ reason: 'time_too_old' }]);
  });
});
