import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HandClock, until } from '../test/hand-clock.js';
import { IngestStandIn } from '../test/ingest-stand-in.js';
import { scratchFolder } from '../test/scratch-folder.js';
import {
  type DroppedError,
  InvalidOptionError,
  Metering,
  type MeteringError,
  type MeteringOptions,
  QueueFullError,
  type RetryReport,
  SpoolFullError,
  SpoolLockedError,
} from './index.js';
import { diskSpool, type DiskSpoolOptions } from './spool.js';

let server: IngestStandIn;
let clock: HandClock;
let folder: ReturnType<typeof scratchFolder>;
let errors: MeteringError[];
let retries: RetryReport[];
let clients: Metering[];

beforeEach(async () => {
  server = await IngestStandIn.start();
  clock = new HandClock();
  folder = scratchFolder();
  errors = [];
  retries = [];
  clients = [];
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.close({ deadlineMs: 1 })));
  await server.stop();
  folder.remove();
});

function metering(options: Partial<MeteringOptions> = {}, spool: Partial<DiskSpoolOptions> = {}): Metering {
  const client = new Metering({
    url: server.url,
    key: 'k',
    source: '/s',
    now: clock.now,
    elapsed: clock.elapsed,
    timer: clock.timer,
    random: () => 0.5,
    onError: (error) => errors.push(error),
    onRetry: (report) => retries.push(report),
    spool: diskSpool({ dir: folder.path, fsync: false, ...spool }),
    ...options,
  });
  clients.push(client);
  return client;
}

const call = (n: number) => ({ meter: 'calls', account: 'acct_1', dimensions: { n: String(n) } });
const numbers = (): number[] => [...server.taken.values()].map(({ data }) => Number(data?.dimensions?.n));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const inOrder = (some: readonly number[]): number[] => [...some].sort((a, b) => a - b);

async function recordMany(client: Metering, from: number, to: number): Promise<void> {
  await Promise.all(upTo(to - from).map((n) => client.record(call(from + n))));
}

describe('a spool', () => {
  it('delivers as memory would, with nothing left on disk that was answered for', async () => {
    const client = metering({ batch: { maxEvents: 10 } }, { segmentBytes: 500, fsync: true });
    await recordMany(client, 0, 35);
    await client.record({ ...call(35), id: 'mine' });
    expect(await client.flush()).toEqual({ complete: true, unsent: 0 });
    expect(inOrder(numbers())).toEqual(upTo(36));
    expect(client.counters()).toMatchObject({ queued: 36, spooled: 36, acknowledged: 36, recovered: 0, waiting: 0 });
    expect(await client.close()).toEqual({ complete: true, unsent: 0 });
    const left = ['stream', 'open'].flatMap((door) => readdirSync(join(folder.path, door)));
    expect(left.filter((name) => name.startsWith('events-'))).toEqual([]);
  });

  it('keeps what close could not deliver, and the next process sends it: the same bytes first', async () => {
    server.misbehaviours.push('take and hang up', 'hold');
    const first = metering({ batch: { maxEvents: 4 } });
    await recordMany(first, 0, 4);
    await until(() => retries.length === 1);
    await recordMany(first, 4, 10);
    await first.record({ ...call(10), id: 'mine' });
    expect(await first.close({ deadlineMs: 1 })).toEqual({ complete: false, unsent: 11 });
    expect([errors, first.counters()]).toEqual([[], expect.objectContaining({ dropped: 0, waiting: 11 })]);

    server.misbehaviours.length = 0;
    const second = metering({ batch: { maxEvents: 4 } });
    expect(second.counters()).toMatchObject({ queued: 11, recovered: 11, spooled: 0 });
    await second.record(call(11));
    expect(await second.flush()).toEqual({ complete: true, unsent: 0 });
    expect(inOrder(numbers())).toEqual(upTo(12));
    const streamed = server.bodies.filter((body) => body.startsWith('{'));
    expect(streamed[1]).toBe(streamed[0]);
    const places = streamed.slice(1).map((body) => JSON.parse(body) as { seq: number; stream: string });
    expect(places.map(({ seq }) => seq)).toEqual(upTo(places.length).map((n) => n + 1));
    expect(new Set(places.map(({ stream }) => stream)).size).toBe(1);
    expect(second.counters()).toMatchObject({ queued: 12, acknowledged: 8, duplicate: 4, waiting: 0 });
  });

  it('spills to disk beyond the bound of memory, and keeps the order', async () => {
    server.misbehaviours.push('hold');
    const client = metering({ queue: { maxEvents: 10 }, batch: { maxEvents: 5 } }, { segmentBytes: 2_000 });
    await recordMany(client, 0, 10);
    await until(() => server.requests.length === 1);
    await recordMany(client, 10, 300);
    expect(client.counters()).toMatchObject({ queued: 300, spilled: 290, sent: 5 });
    server.answerHeld();
    expect(await client.flush()).toEqual({ complete: true, unsent: 0 });
    expect(numbers()).toEqual(upTo(300));
    await recordMany(client, 300, 305);
    await client.flush();
    expect(client.counters()).toMatchObject({ spilled: 290, acknowledged: 305, waiting: 0 });
  });

  it('blocks or refuses instead where it is told to', async () => {
    server.misbehaviours.push('hold');
    const blocking = metering({ queue: { maxEvents: 2, whenFull: 'block' } });
    const entered: number[] = [];
    const records = [0, 1, 2].map((n) => blocking.record(call(n)).then(() => entered.push(n)));
    await until(() => server.requests.length === 1);
    expect(entered).toEqual([0, 1]);
    server.answerHeld();
    await Promise.all(records);
    expect(await blocking.close()).toEqual({ complete: true, unsent: 0 });

    server.misbehaviours.push('hold');
    const refusing = metering({ queue: { maxEvents: 1, whenFull: 'reject' } });
    await refusing.record(call(3));
    await expect(refusing.record(call(4))).rejects.toThrow(QueueFullError);
    expect(() => metering({ spool: undefined, queue: { whenFull: 'spill' } })).toThrow(InvalidOptionError);
  });

  it('refuses when it is full, loses nothing, and takes more once there is room', async () => {
    server.misbehaviours.push('hold');
    const client = metering({ batch: { maxEvents: 3 } }, { maxBytes: 2_000 });
    let taken = 0;
    const fill = async (): Promise<never> => {
      for (;;) {
        await client.record(call(taken));
        taken += 1;
      }
    };
    await expect(fill()).rejects.toThrow(SpoolFullError);
    expect(taken).toBeGreaterThan(10);
    server.answerHeld();
    await client.flush();
    expect(numbers()).toEqual(upTo(taken));
    await client.record(call(taken));
    await client.flush();
    expect(client.counters()).toMatchObject({ queued: taken + 1, acknowledged: taken + 1 });
  });

  it('tries for as long as it takes, also with a key that is not valid', async () => {
    const client = metering({ retry: { attempts: 1, minDelayMs: 100, maxDelayMs: 60_000 } });
    const statuses = [401, 403, 404, 302, 500, 503, 429, 502];
    server.misbehaviours.push(...statuses.map((status) => ({ status })));
    await client.record(call(0));
    const flushed = client.flush();
    for (let failures = 1; failures <= statuses.length; failures++) {
      await until(() => retries.length === failures && clock.pending[0] !== undefined);
      clock.advance(clock.pending[0] ?? 0);
    }
    expect(await flushed).toEqual({ complete: true, unsent: 0 });
    expect(retries.map(({ status }) => status)).toEqual(statuses);
    expect(retries.slice(0, 4).map(({ delayMs }) => delayMs)).toEqual([30_000, 30_000, 30_000, 30_000]);
    expect(errors).toEqual([]);
  });

  it('sets aside what is refused for its content, and goes on', async () => {
    server.misbehaviours.push({ status: 400 });
    const client = metering({ batch: { maxEvents: 2 } });
    await recordMany(client, 0, 4);
    await client.flush();
    expect(numbers()).toEqual([2, 3]);
    expect(errors).toEqual([expect.objectContaining({ reason: 'refused', status: 400 })]);
    const [kept] = readdirSync(join(folder.path, 'refused'));
    expect(readFileSync(join(folder.path, 'refused', kept ?? ''), 'utf8')).toBe(
      (errors[0] as DroppedError).batch?.body,
    );
    expect(client.counters()).toMatchObject({ queued: 4, acknowledged: 2, dropped: 2, waiting: 0 });
  });

  it('belongs to one client, and to the next one after it was closed', async () => {
    const first = metering();
    expect(() => metering()).toThrow(SpoolLockedError);
    await first.close();
    await metering().record(call(0));
  });

  it('reports events that the disk lost, and sends the others', async () => {
    const offline = { fetch: () => Promise.reject(new Error('no network')), batch: { maxEvents: 2 } };
    const first = metering(offline, { segmentBytes: 300 });
    await recordMany(first, 0, 2);
    for (let n = 2; n < 20; n++) await first.record(call(n));
    await first.close({ deadlineMs: 1 });
    const events = join(folder.path, 'stream');
    const victim = join(events, readdirSync(events).filter((name) => name.startsWith('events-'))[2] ?? '');
    const bytes = readFileSync(victim);
    bytes[9] = (bytes[9] ?? 0) ^ 0xff;
    writeFileSync(victim, bytes);

    const second = metering();
    expect(await second.flush()).toEqual({ complete: true, unsent: 0 });
    const { queued, acknowledged, dropped, waiting } = second.counters();
    expect([queued, acknowledged + dropped, waiting]).toEqual([20, 20, 0]);
    expect(errors).toEqual([expect.objectContaining({ code: 'spool_damaged', events: dropped })]);
    expect(numbers()).toHaveLength(acknowledged);
    expect(dropped).toBeGreaterThan(0);
  });

  it('outlasts a week without a network, in the memory it was given', async () => {
    let isUp = false;
    const net: typeof fetch = (input, init) =>
      isUp ? fetch(input, init) : Promise.reject(new TypeError('no network'));
    const retry = { maxDelayMs: 3_600_000 };
    const client = metering({ fetch: net, retry, queue: { maxEvents: 10 } }, { segmentBytes: 4_000 });
    const end = clock.now() + 7 * 86_400_000;
    let recorded = 0;
    while (clock.now() < end) {
      await client.record(call(recorded++));
      const seen = retries.length;
      clock.advance(Math.max(1_000, clock.pending[0] ?? 0));
      await until(() => clock.pending.some((ms) => ms !== 10_000) && (retries.length > seen || seen === 0));
    }
    expect(recorded).toBeGreaterThan(300);
    expect(client.counters()).toMatchObject({ queued: recorded, waiting: recorded, dropped: 0, acknowledged: 0 });
    isUp = true;
    const flushed = client.flush();
    clock.advance(Math.min(...clock.pending));
    expect(await flushed).toEqual({ complete: true, unsent: 0 });
    expect(numbers()).toEqual(upTo(recorded));
  });
});
