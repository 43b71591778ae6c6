import { HandClock, until } from '../test/hand-clock.js';
import { IngestStandIn, type Misbehaviour } from '../test/ingest-stand-in.js';
import type { EventVerdict } from './contract.js';
import type { DroppedError } from './index.js';
import { Metering, type MeteringError, type MeteringOptions } from './index.js';

let server: IngestStandIn;
let clock: HandClock;
let errors: MeteringError[];
let verdicts: EventVerdict[];

beforeEach(async () => {
  server = await IngestStandIn.start();
  clock = new HandClock();
  errors = [];
  verdicts = [];
});
afterEach(() => server.stop());

function metering(options: Partial<MeteringOptions> = {}): Metering {
  return new Metering({
    url: `${server.url}/base/`,
    key: 'fbk_test',
    source: '/compute/test',
    now: clock.now,
    elapsed: clock.elapsed,
    timer: clock.timer,
    random: () => 0.5,
    onError: (error) => errors.push(error),
    onVerdict: (verdict) => verdicts.push(verdict),
    ...options,
  });
}

async function recordMany(client: Metering, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await client.record({ meter: 'calls', account: 'acct_1' });
}

/** Fails once in each given way, and lets the pauses between attempts pass. */
async function throughFailures(client: Metering, misbehaviours: Misbehaviour[]): Promise<void> {
  server.misbehaviours.push(...misbehaviours);
  const flushed = client.flush();
  for (let failures = 1; failures <= misbehaviours.length; failures++) {
    await until(
      () => server.requests.length === failures && clock.pending[0] !== undefined && clock.pending[0] < 10_000,
    );
    clock.advance(clock.pending[0] ?? 0);
  }
  expect(await flushed).toEqual({ complete: true, unsent: 0 });
}

describe('delivery', () => {
  it('sends a batch when it is full, and what is left when it is old enough', async () => {
    const client = metering({ batch: { maxEvents: 3, maxAgeMs: 500 } });
    await recordMany(client, 4);
    await until(() => client.counters().acknowledged === 3);
    expect(clock.pending).toEqual([500]);
    clock.advance(499);
    expect(client.counters().sent).toBe(3);
    clock.advance(1);
    await until(() => client.counters().acknowledged === 4);
    expect(server.requests.map((ids) => ids.length)).toEqual([3, 1]);
  });

  it('closes a batch before it outgrows its bytes', async () => {
    const client = metering({ batch: { maxBytes: 600 } });
    await recordMany(client, 5);
    await client.flush();
    expect(server.requests.flat()).toHaveLength(5);
    expect(server.requests.length).toBeGreaterThan(1);
    expect(Math.max(...server.headers.map((headers) => Number(headers['content-length'])))).toBeLessThanOrEqual(600);
  });

  it('sends the wire form, with the key, below the given URL', async () => {
    const client = metering();
    await client.record({ meter: 'compute', account: 'acct_1', value: '1.25', dimensions: { region: 'eu' } });
    await client.level({ meter: 'bytes', account: 'acct_1', resource: 'bucket-1', level: 10n ** 18n });
    await client.flush();
    expect(server.paths).toEqual(['/base/v1/events']);
    expect(server.headers[0]).toMatchObject({
      authorization: 'Bearer fbk_test',
      'content-type': 'application/cloudevents-batch+json',
    });
    const common = { specversion: '1.0', source: '/compute/test', subject: 'acct_1', time: '2026-11-21T12:00:00.000Z' };
    expect([...server.taken.values()]).toEqual([
      {
        ...common,
        id: expect.any(String),
        type: 'compute',
        datacontenttype: 'application/json',
        data: { value: '1.25', dimensions: { region: 'eu' } },
      },
      {
        ...common,
        id: expect.any(String),
        type: 'bytes',
        datacontenttype: 'application/json',
        data: { resource: 'bucket-1', level: '1000000000000000000' },
      },
    ]);
  });

  it.each<[string, Misbehaviour]>([
    ['a lost connection', 'hang up'],
    ['408', { status: 408 }],
    ['429', { status: 429 }],
    ['500', { status: 500 }],
    ['503', { status: 503 }],
    ['a 200 that is no answer', { status: 200, body: '<html>Welcome to the hotel</html>' }],
    ['verdicts of another batch', { status: 200, body: '{"verdicts":[{"id":"x","source":"y","verdict":"accepted"}]}' }],
  ])('sends the same ids again after %s', async (_, misbehaviour) => {
    const client = metering();
    await recordMany(client, 2);
    await throughFailures(client, [misbehaviour, misbehaviour]);
    expect(new Set(server.requests.map((ids) => ids.join())).size).toBe(1);
    expect(client.counters()).toMatchObject({ queued: 2, sent: 2, acknowledged: 2, dropped: 0, retries: 2 });
    expect(errors).toEqual([]);
  });

  it('counts an event once when its acknowledgement was lost', async () => {
    const client = metering();
    await recordMany(client, 3);
    await throughFailures(client, ['take and hang up']);
    expect(server.taken.size).toBe(3);
    expect(client.counters()).toMatchObject({ acknowledged: 0, duplicate: 3, retries: 1 });
  });

  it('tries again after a request that outlasts its time', async () => {
    server.misbehaviours.push('hold');
    const client = metering({ timeoutMs: 4_000 });
    await recordMany(client, 1);
    const flushed = client.flush();
    await until(() => server.requests.length === 1);
    clock.advance(4_000);
    await until(() => clock.pending[0] === 125);
    clock.advance(125);
    expect(await flushed).toEqual({ complete: true, unsent: 0 });
    expect(client.counters()).toMatchObject({ acknowledged: 1, retries: 1 });
  });

  it.each([
    ['seconds', '7'],
    ['a date', new Date(Date.UTC(2026, 10, 21, 12, 0, 7)).toUTCString()],
  ])('waits as long as Retry-After asks in %s, with jitter on top', async (_, retryAfter) => {
    server.misbehaviours.push({ status: 503, headers: { 'retry-after': retryAfter } });
    const client = metering({ retry: { minDelayMs: 100 } });
    await recordMany(client, 1);
    const flushed = client.flush();
    await until(() => clock.pending.includes(7_050));
    clock.advance(7_050);
    await flushed;
    expect(server.requests).toHaveLength(2);
  });

  it.each([301, 400, 401, 403, 404, 409, 422])('does not repeat what was refused with %i', async (status) => {
    server.misbehaviours.push({ status, body: 'no, because' });
    const client = metering();
    await recordMany(client, 2);
    expect(await client.flush()).toEqual({ complete: true, unsent: 0 });
    expect(server.requests).toHaveLength(1);
    expect(client.counters()).toMatchObject({ sent: 2, dropped: 2, retries: 0 });
    expect(errors).toEqual([expect.objectContaining({ code: 'dropped', reason: 'refused', status })]);
    expect((errors[0] as DroppedError).events.map(({ id }) => id)).toEqual(server.requests[0]);
  });

  it('halves what is too large, keeping ids and order, down to the one event that never fits', async () => {
    server.maxEventsPerRequest = 2;
    const client = metering();
    await recordMany(client, 5);
    await client.flush();
    expect(server.requests.map((ids) => ids.length)).toEqual([5, 3, 2, 1, 2]);
    expect([...server.taken.keys()]).toEqual(server.requests[0]);

    server.maxEventsPerRequest = 0;
    await recordMany(client, 1);
    await client.flush();
    expect(errors).toEqual([expect.objectContaining({ reason: 'too_large', status: 413 })]);
    expect(client.counters()).toMatchObject({ queued: 6, sent: 6, acknowledged: 5, dropped: 1 });
  });

  it('reports verdicts that are not taken, and does not repeat them', async () => {
    server.refusedMeters.set('typo', 'rejected').set('reused', 'conflict');
    const client = metering();
    for (const meter of ['typo', 'calls', 'reused']) await client.record({ meter, account: 'acct_1' });
    await client.flush();
    expect(verdicts.map(({ verdict, reason }) => [verdict, reason])).toEqual([
      ['rejected', 'unknown_meter'],
      ['conflict', 'unknown_meter'],
    ]);
    expect(client.counters()).toMatchObject({ queued: 3, acknowledged: 1, rejected: 1, conflict: 1 });
    expect(server.requests).toHaveLength(1);
  });

  it('gives a batch up after its attempts, and goes on with the next', async () => {
    const client = metering({ retry: { attempts: 2, minDelayMs: 10 }, batch: { maxEvents: 1 } });
    server.misbehaviours.push({ status: 500 }, { status: 500 });
    await recordMany(client, 2);
    await until(() => clock.pending.includes(5));
    clock.advance(5);
    await until(() => client.counters().acknowledged === 1);
    expect(errors).toEqual([expect.objectContaining({ reason: 'exhausted', status: 500 })]);
    expect(client.counters()).toMatchObject({ queued: 2, dropped: 1, acknowledged: 1, retries: 1 });
  });

  it('keeps one request under way, and so the order', async () => {
    server.misbehaviours.push('hold');
    const client = metering({ batch: { maxEvents: 2 } });
    await recordMany(client, 6);
    await until(() => server.requests.length === 1);
    expect(client.counters().sent).toBe(2);
    server.answerHeld();
    await until(() => client.counters().acknowledged === 6);
    expect(server.requests).toHaveLength(3);
    expect(server.requests.flat()).toEqual([...server.requests.flat()].sort());
  });

  it('survives listeners that fail, at once or later', async () => {
    server.refusedMeters.set('typo', 'rejected');
    server.misbehaviours.push({ status: 400 });
    const client = metering({
      onError: () => Promise.reject(new Error('later')),
      onVerdict: () => {
        throw new Error('at once');
      },
    });
    await recordMany(client, 1);
    await client.flush();
    await client.record({ meter: 'typo', account: 'acct_1' });
    await client.flush();
    expect(client.counters()).toMatchObject({ dropped: 1, rejected: 1, observerFailures: 2 });
  });
});
