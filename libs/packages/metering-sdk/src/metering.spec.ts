import { HandClock, until } from '../test/hand-clock.js';
import { IngestStandIn } from '../test/ingest-stand-in.js';
import {
  ClosedError,
  InvalidOptionError,
  InvalidRecordError,
  Metering,
  type MeteringError,
  type MeteringOptions,
  QueueFullError,
} from './index.js';

let server: IngestStandIn;
let clock: HandClock;
let errors: MeteringError[];

beforeEach(async () => {
  server = await IngestStandIn.start();
  clock = new HandClock();
  errors = [];
});
afterEach(() => server.stop());

const call = { meter: 'calls', account: 'acct_1' };

function metering(options: Partial<MeteringOptions> = {}): Metering {
  const { now, elapsed, timer } = clock;
  const onError = (error: MeteringError): number => errors.push(error);
  return new Metering({ url: server.url, key: 'k', source: '/s', now, elapsed, timer, onError, ...options });
}

describe('the queue', () => {
  it('makes record wait for room, and lets the waiting in by order', async () => {
    server.misbehaviours.push('hold');
    const client = metering({ queue: { maxEvents: 2 } });
    const entered: number[] = [];
    const records = [1, 2, 3, 4].map((n) => client.record({ ...call, id: `e${n}` }).then(() => entered.push(n)));
    await until(() => server.requests.length === 1);
    expect(entered).toEqual([1, 2]);
    expect(client.counters().queued).toBe(2);
    server.answerHeld();
    await Promise.all(records);
    expect(entered).toEqual([1, 2, 3, 4]);
    await client.flush();
    expect([...server.taken.keys()]).toEqual(['e1', 'e2', 'e3', 'e4']);
  });

  it('refuses with a typed error where the policy is reject, and counts what is under way', async () => {
    server.misbehaviours.push('hold');
    const client = metering({ queue: { maxEvents: 2, whenFull: 'reject' } });
    await client.record(call);
    await client.record(call);
    await expect(client.record(call)).rejects.toThrow(QueueFullError);
    await until(() => server.requests.length === 1);
    await expect(client.record(call)).rejects.toThrow(QueueFullError);
    server.answerHeld();
    await until(() => client.counters().acknowledged === 2);
    await client.record(call);
    expect(client.counters().queued).toBe(3);
  });
});

describe('flush and close', () => {
  it('flush says what is left at its deadline, and delivery goes on', async () => {
    server.misbehaviours.push('hold');
    const client = metering();
    await client.record(call);
    expect(await client.flush({ deadlineMs: 1 })).toEqual({ complete: false, unsent: 1 });
    await until(() => server.requests.length === 1);
    server.answerHeld();
    expect(await client.flush()).toEqual({ complete: true, unsent: 0 });
    expect(client.counters()).toMatchObject({ acknowledged: 1, dropped: 0 });
  });

  it('close delivers, then refuses', async () => {
    const client = metering();
    await client.record(call);
    expect(await client.close()).toEqual({ complete: true, unsent: 0 });
    expect(server.taken.size).toBe(1);
    await expect(client.record(call)).rejects.toThrow(ClosedError);
    expect(await client.close()).toEqual({ complete: true, unsent: 0 });
  });

  it('close ends at its deadline and hands over every event it could not deliver', async () => {
    server.misbehaviours.push('hold');
    const client = metering({ batch: { maxEvents: 2 }, queue: { maxEvents: 5 } });
    for (let n = 0; n < 5; n++) await client.record({ ...call, id: `e${n}` });
    const blocked = expect(client.record(call)).rejects.toThrow(ClosedError);
    await until(() => server.requests.length === 1);
    expect(await client.close({ deadlineMs: 1 })).toEqual({ complete: false, unsent: 5 });
    await blocked;
    const dropped = errors.flatMap((error) => ('events' in error ? (error.events as { id: string }[]) : []));
    expect(dropped.map(({ id }) => id)).toEqual(['e0', 'e1', 'e2', 'e3', 'e4']);
    expect(client.counters()).toMatchObject({ queued: 5, sent: 2, dropped: 5 });
  });

  it('close ends a pause between attempts', async () => {
    server.misbehaviours.push({ status: 503, headers: { 'retry-after': '60' } });
    const client = metering();
    await client.record(call);
    void client.flush();
    await until(() => (clock.pending[0] ?? 0) >= 60_000);
    expect(await client.close({ deadlineMs: 1 })).toEqual({ complete: false, unsent: 1 });
    expect(errors).toEqual([expect.objectContaining({ reason: 'closed', status: 503 })]);
    expect(clock.pending).toEqual([]);
  });
});

describe('a span', () => {
  const values = (): (string | undefined)[] => [...server.taken.values()].map(({ data }) => data?.value);

  it('records the seconds of the monotonic clock, once', async () => {
    const client = metering();
    const span = client.span('compute', 'acct_1');
    clock.advance(1_250);
    await Promise.all([span.end(), span.end()]);
    clock.advance(10);
    await span.end();
    await client.flush();
    expect(values()).toEqual(['1.25']);
  });

  it('measures work that succeeds and work that fails, and hands its outcome through', async () => {
    const client = metering();
    const work = async (): Promise<string> => {
      clock.advance(40);
      return 'done';
    };
    const failing = async (): Promise<never> => {
      clock.advance(2);
      throw new Error('of its own');
    };
    await expect(client.span('compute', 'acct_1', work)).resolves.toBe('done');
    await expect(client.span('compute', 'acct_1', failing)).rejects.toThrow('of its own');
    await client.flush();
    expect(values()).toEqual(['0.04', '0.002']);
  });

  it('does not disturb the work when it cannot be recorded', async () => {
    const client = metering();
    await client.close();
    const work = async (): Promise<string> => {
      clock.advance(1_500);
      return 'done';
    };
    await expect(client.span('compute', 'acct_1', work)).resolves.toBe('done');
    expect(errors).toEqual([expect.objectContaining({ code: 'span_lost', seconds: '1.5' })]);
  });
});

describe('what runs', () => {
  it('is recorded as actions of a resource, with weights where they are given', async () => {
    const client = metering();
    await client.start('machines', 'acct_1', 'vm-1', { weight: 4 });
    clock.advance(1_000);
    await client.heartbeat('machines', 'acct_1', 'vm-1');
    await client.resize('machines', 'acct_1', 'vm-1', { weight: '0.5', dimensions: { region: 'eu' } });
    await client.stop('machines', 'acct_1', 'vm-1', { time: '2026-11-21T13:00:00Z' });
    await client.start('machines', 'acct_1', 'vm-2', { id: 'mine' });
    await client.delta({ meter: 'bytes', account: 'acct_1', resource: 'bucket-7', delta: -512 });
    await client.flush();
    const events = [...server.taken.values()].filter(({ id }) => id !== 'mine');
    expect(events.map(({ time, data }) => [time, data])).toEqual([
      ['2026-11-21T12:00:00.000Z', { resource: 'vm-1', action: 'start', weight: '4' }],
      ['2026-11-21T12:00:01.000Z', { resource: 'vm-1', action: 'heartbeat' }],
      ['2026-11-21T12:00:01.000Z', { resource: 'vm-1', action: 'resize', weight: '0.5', dimensions: { region: 'eu' } }],
      ['2026-11-21T13:00:00.000Z', { resource: 'vm-1', action: 'stop' }],
      ['2026-11-21T12:00:01.000Z', { resource: 'bucket-7', delta: '-512' }],
    ]);
    expect(server.taken.get('mine')?.data).toEqual({ resource: 'vm-2', action: 'start' });
    await expect(client.stop('machines', 'acct_1', '')).rejects.toThrow('resource is missing');
  });
});

describe('what is refused at once', () => {
  it.each([0.1 + 0.2, Number.NaN, Infinity, 2 ** 53, '1e3', '', ' 1', '1.', '0x10', '1,5'])(
    'the quantity %p, which is not exact',
    async (value) => {
      const client = metering();
      await expect(client.record({ ...call, value })).rejects.toThrow(InvalidRecordError);
      expect(client.counters().queued).toBe(0);
    },
  );

  it('an event that no batch can hold, an empty name, a date that is none', async () => {
    const client = metering({ batch: { maxBytes: 400 } });
    await expect(client.record({ ...call, dimensions: { note: 'é'.repeat(200) } })).rejects.toThrow(/batch holds 400/);
    await expect(client.record({ ...call, account: '' })).rejects.toThrow('account is missing');
    await expect(client.record({ ...call, time: new Date(Number.NaN) })).rejects.toThrow('time is not a date');
  });

  it.each<[string, Partial<MeteringOptions>]>([
    ['url', { url: 'farebox.example' }],
    ['url', { url: 'file:///etc' }],
    ['key', { key: ' ' }],
    ['source', { source: '' }],
    ['batch.maxEvents', { batch: { maxEvents: 0 } }],
    ['queue.maxEvents', { queue: { maxEvents: 1.5 } }],
    ['retry.attempts', { retry: { attempts: Number.NaN } }],
  ])('an option that cannot work: %s', (name, options) => {
    expect(() => metering(options)).toThrow(InvalidOptionError);
    expect(() => metering(options)).toThrow(name);
  });
});
