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

let recorded = 0;

/** Usage goes by the stream door, unless it has an id of its own. */
async function recordMany(client: Metering, count: number, door: 'stream' | 'open' = 'stream'): Promise<void> {
  for (let n = 0; n < count; n++) {
    const own = door === 'open' ? { id: `own-${String(recorded++).padStart(6, '0')}` } : {};
    await client.record({ meter: 'calls', account: 'acct_1', ...own });
  }
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

  it.each(['stream', 'open'] as const)('closes a batch before it outgrows its bytes: %s door', async (door) => {
    const client = metering({ batch: { maxBytes: 600 } });
    await recordMany(client, 15, door);
    await client.flush();
    expect(server.requests.flat()).toHaveLength(15);
    expect(server.requests.length).toBeGreaterThan(1);
    expect(Math.max(...server.headers.map((headers) => Number(headers['content-length'])))).toBeLessThanOrEqual(600);
  });

  it('sends usage with an id of its own as events, and other usage as numbered batches, each below the given URL', async () => {
    const client = metering();
    const labels = { dimensions: { region: 'eu' } };
    await client.record({ meter: 'compute', account: 'acct_1', value: '1.25', id: 'mine', ...labels });
    await client.level({ meter: 'bytes', account: 'acct_1', resource: 'bucket-1', level: 10n ** 18n });
    await client.record({ meter: 'compute', account: 'acct_2', value: 3, cost: '0.01', ...labels });
    clock.advance(250);
    await client.record({ meter: 'compute', account: 'acct_1', value: '1.25' });
    await client.flush();
    const sent = server.paths.map((path, index) => [path, server.headers[index]?.['content-type']]);
    expect(sent.sort()).toEqual([
      ['/base/v1/events', 'application/cloudevents-batch+json'],
      ['/base/v1/events/stream', 'application/json'],
    ]);
    expect(server.headers[0]).toMatchObject({ authorization: 'Bearer fbk_test' });
    const bodies = server.bodies.map((body) => JSON.parse(body) as object);
    expect(bodies).toContainEqual([
      {
        specversion: '1.0',
        id: 'mine',
        source: '/compute/test',
        type: 'compute',
        subject: 'acct_1',
        time: '2026-11-21T12:00:00.000Z',
        datacontenttype: 'application/json',
        data: { value: '1.25', dimensions: { region: 'eu' } },
      },
    ]);
    expect(bodies).toContainEqual({
      stream: expect.any(String),
      source: '/compute/test',
      seq: 1,
      t0: Date.UTC(2026, 10, 21, 12),
      types: ['bytes', 'compute'],
      accounts: ['acct_1', 'acct_2'],
      resources: ['bucket-1'],
      dimensions: [{ region: 'eu' }],
      columns: {
        type: [0, 1, 1],
        account: [0, 1, 0],
        time: [0, 0, 250],
        value: [null, 3, '1.25'],
        level: ['1000000000000000000', null, null],
        cost: [null, '0.01', null],
        resource: [0, null, null],
        dimensions: [null, 0, null],
      },
    });
  });

  it('numbers the batches of a stream without a gap', async () => {
    const client = metering({ batch: { maxEvents: 2 } });
    await recordMany(client, 5);
    await client.flush();
    const [stream] = server.requests[0]?.[0]?.split('.') ?? [];
    expect(server.requests).toEqual([
      [`${stream}.1.0`, `${stream}.1.1`],
      [`${stream}.2.0`, `${stream}.2.1`],
      [`${stream}.3.0`],
    ]);
  });

  it('hears of each batch and each retry', async () => {
    const heard: object[] = [];
    const client = metering({ onBatch: (report) => heard.push(report), onRetry: (report) => heard.push(report) });
    await recordMany(client, 2);
    await throughFailures(client, [{ status: 503 }]);
    expect(heard).toEqual([
      { door: 'stream', events: 2, failures: 1, delayMs: 125, status: 503 },
      expect.objectContaining({ door: 'stream', seq: 1, events: 2, attempts: 2, elapsedMs: 125 }),
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
    [
      'counts of another batch',
      { status: 200, body: '{"stream":"x","seq":1,"outcome":"stored","accepted":2,"held":0,"rejected":0,"items":[]}' },
    ],
  ])('sends the same bytes again, by either door, after %s', async (_, misbehaviour) => {
    for (const door of ['stream', 'open'] as const) {
      const client = metering();
      server.bodies.length = server.requests.length = 0;
      await recordMany(client, 2, door);
      await throughFailures(client, [misbehaviour, misbehaviour]);
      expect([...new Set(server.bodies)]).toHaveLength(1);
      expect(client.counters()).toMatchObject({ queued: 2, sent: 2, acknowledged: 2, dropped: 0, retries: 2 });
    }
    expect(errors).toEqual([]);
  });

  it.each(['stream', 'open'] as const)('counts an event once when its answer was lost: %s door', async (door) => {
    const client = metering();
    await recordMany(client, 3, door);
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
    for (const door of ['stream', 'open'] as const) {
      server.misbehaviours.push({ status, body: 'no, because' });
      server.requests.length = errors.length = 0;
      const client = metering();
      await recordMany(client, 2, door);
      expect(await client.flush()).toEqual({ complete: true, unsent: 0 });
      expect(server.requests).toHaveLength(1);
      expect(client.counters()).toMatchObject({ sent: 2, dropped: 2, retries: 0, waiting: 0 });
      const reason = status === 409 && door === 'stream' ? 'sequence_reused' : 'refused';
      expect(errors).toEqual([expect.objectContaining({ code: 'dropped', reason, status })]);
      const { events, batch } = errors[0] as DroppedError;
      expect(events.map(({ id }) => id)).toEqual(server.requests[0]);
      expect(batch?.body).toBe(door === 'stream' ? server.bodies.at(-1) : undefined);
    }
  });

  it('leaves the number of a refused batch unused, and begins a new stream when a number was taken', async () => {
    const client = metering({ batch: { maxEvents: 1 } });
    server.misbehaviours.push({ status: 400 });
    await recordMany(client, 1);
    await client.flush();
    await recordMany(client, 1);
    await client.flush();
    server.misbehaviours.push({ status: 409 });
    await recordMany(client, 1);
    await client.flush();
    await recordMany(client, 1);
    await client.flush();
    const places = server.requests.map(([id]) => id?.split('.').slice(0, 2));
    expect(places.map((place) => place?.[1])).toEqual(['1', '2', '3', '1']);
    expect(new Set(places.slice(0, 3).map((place) => place?.[0])).size).toBe(1);
    expect(places[3]?.[0]).not.toBe(places[0]?.[0]);
  });

  it('halves events that are too large together, keeping ids and order, down to the one that never fits', async () => {
    server.maxEventsPerRequest = 2;
    const client = metering();
    await recordMany(client, 5, 'open');
    await client.flush();
    expect(server.requests.map((ids) => ids.length)).toEqual([5, 3, 2, 1, 2]);
    expect([...server.taken.keys()]).toEqual(server.requests[0]);

    server.maxEventsPerRequest = 0;
    await recordMany(client, 1, 'open');
    await client.flush();
    expect(errors).toEqual([expect.objectContaining({ reason: 'too_large', status: 413 })]);
    expect(client.counters()).toMatchObject({ queued: 6, sent: 6, acknowledged: 5, dropped: 1 });
  });

  it('does not split a numbered batch that is too large', async () => {
    server.maxEventsPerRequest = 2;
    const client = metering();
    await recordMany(client, 3);
    await client.flush();
    expect(server.requests).toHaveLength(1);
    expect(errors).toEqual([expect.objectContaining({ reason: 'too_large', status: 413 })]);
  });

  it('reports verdicts that are not taken, and does not repeat them', async () => {
    server.refusedMeters.set('typo', 'rejected').set('reused', 'conflict').set('early', 'held');
    const client = metering();
    for (const meter of ['typo', 'calls', 'early']) await client.record({ meter, account: 'acct_1' });
    await client.record({ meter: 'reused', account: 'acct_1', id: 'mine' });
    await client.flush();
    expect(verdicts.map(({ verdict, reason, id }) => [verdict, reason, id.split('.').at(-1)]).sort()).toEqual([
      ['conflict', 'unknown_meter', 'mine'],
      ['held', 'unknown_account', '2'],
      ['rejected', 'unknown_meter', '0'],
    ]);
    const counters = { queued: 4, acknowledged: 1, rejected: 1, conflict: 1, held: 1, waiting: 0 };
    expect(client.counters()).toMatchObject(counters);
    expect(server.requests).toHaveLength(2);
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
