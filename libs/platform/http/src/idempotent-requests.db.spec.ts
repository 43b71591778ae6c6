import { Fault } from '@core/faults';
import { addMs, Clock, instant, type Instant } from '@core/time';
import { Database } from '@platform/database';
import { createTestDatabase, seedProvider, type TestDatabase } from '../../../../test/support/database.js';
import { IdempotentRequests, type IdempotentRequest } from './idempotent-requests.js';

class HeldClock extends Clock {
  at = instant(1_795_000_000_000);
  now(): Instant {
    return this.at;
  }
}

const clock = new HeldClock();
let server: TestDatabase;
let database: Database;
let provider: string;
let requests: IdempotentRequests;
let runs = 0;

beforeAll(async () => {
  server = await createTestDatabase();
  database = new Database(server.appUrl, 5);
  provider = (await seedProvider(server)).provider;
  requests = new IdempotentRequests(database, clock);
});

afterAll(async () => {
  await database.close();
  await server.drop();
});

const request = (key: string, more: Partial<IdempotentRequest> = {}): IdempotentRequest => ({
  provider,
  key,
  content: 'POST /x\n{}',
  kind: 'once',
  ...more,
});
const work = async () => {
  runs += 1;
  return { status: 201, body: `{"run":${runs}}` };
};
const dies = () => Promise.reject(new Error('the process died'));
const later = (ms: number) => {
  clock.at = addMs(clock.at, ms);
};

beforeEach(() => {
  runs = 0;
});

it('runs once and gives its answer again', async () => {
  expect(await requests.run(request('a'), work)).toEqual({
    answer: { status: 201, body: '{"run":1}' },
    replayed: false,
  });
  expect(await requests.run(request('a'), work)).toEqual({
    answer: { status: 201, body: '{"run":1}' },
    replayed: true,
  });
  expect(runs).toBe(1);
});

it('runs again a day later', async () => {
  await requests.run(request('day'), work);
  later(24 * 3_600_000 + 1);
  expect((await requests.run(request('day'), work)).replayed).toBe(false);
});

it('keeps the keys of two providers apart', async () => {
  const other = (await seedProvider(server)).provider;
  await requests.run(request('shared'), work);
  expect((await requests.run(request('shared', { provider: other }), work)).replayed).toBe(false);
});

it('refuses another request under the same key', async () => {
  await requests.run(request('b'), work);
  await expect(requests.run(request('b', { content: 'POST /y\n{}' }), work)).rejects.toMatchObject({
    reason: 'idempotency_key_reused',
  });
});

it('runs one of many that come at once', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const slow = async () => {
    await held;
    return work();
  };
  const all = Array.from({ length: 8 }, () => requests.run(request('many'), slow).catch((error: unknown) => error));
  // All but one are refused at once; the one is let go after them.
  let refused = 0;
  const settled = all.map((each) =>
    each.then((outcome) => outcome instanceof Fault && (refused += 1) === 7 && release()),
  );
  await Promise.all(settled);
  const outcomes = await Promise.all(all);
  expect(
    outcomes.filter((outcome) => outcome instanceof Fault && outcome.reason === 'idempotency_in_flight'),
  ).toHaveLength(7);
  expect(runs).toBe(1);
});

it('lets a request that was refused be mended and sent again under its key', async () => {
  const refusing = () => Promise.reject(new Fault('invalid_request', 'no'));
  await expect(requests.run(request('mend'), refusing)).rejects.toMatchObject({ code: 'invalid_request' });
  expect((await requests.run(request('mend', { content: 'mended' }), work)).replayed).toBe(false);
});

it('never runs a request twice when it is not known how the first one ended', async () => {
  await expect(requests.run(request('lost'), dies)).rejects.toThrow('died');
  await expect(requests.run(request('lost'), work)).rejects.toMatchObject({
    reason: 'idempotency_in_flight',
    retryAfterSeconds: 1,
  });
  later(90_000);
  await expect(requests.run(request('lost'), work)).rejects.toMatchObject({ reason: 'idempotency_outcome_unknown' });
  expect(runs).toBe(0);
});

it('runs a repeatable request again whose process died', async () => {
  const repeatable = request('again', { kind: 'repeatable' });
  await database.forProvider(provider, async (tx) => {
    const { createHash } = await import('node:crypto');
    const hash = Uint8Array.from(createHash('sha256').update(repeatable.content).digest());
    await tx.idempotencyKey.create({
      data: { providerId: provider, key: 'again', requestHash: hash, startedAt: new Date(clock.at) },
    });
  });
  await expect(requests.run(repeatable, work)).rejects.toMatchObject({ reason: 'idempotency_in_flight' });
  later(90_000);
  const outcomes = await Promise.allSettled([requests.run(repeatable, work), requests.run(repeatable, work)]);
  expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true);
  expect(runs).toBe(1);
});
