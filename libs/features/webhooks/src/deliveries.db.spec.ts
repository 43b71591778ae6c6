import { addMs, Clock, instant, type Instant } from '@core/time';
import type { PostAnswer, WebhookPost } from '@core/webhooks';
import { Database, Writer } from '@platform/database';
import { Outbound, OutboundPost } from '@platform/outbound';
import { SystemIds } from '@platform/system';
import pg from 'pg';
import { createTestDatabase, seedProvider, type TestDatabase } from '../../../../test/support/database.js';
import { Receiver, verifies } from '../../../../test/support/receiver.js';
import { until } from '../../../../test/support/until.js';
import { Announce, ChangeEndpoint, CreateEndpoint, DeliverWebhooks, RemoveEndpoint, ReplayEvent } from './index.js';
import { RotateSecret, TestEndpoint, WebhookSecrets, WebhooksReader } from './index.js';

class HeldClock extends Clock {
  constructor(private at: Instant) {
    super();
  }
  now(): Instant {
    return this.at;
  }
  advance(ms: number): void {
    this.at = addMs(this.at, ms);
  }
}

const HOUR = 3_600_000;
const ids = new SystemIds();
const secrets = new WebhookSecrets('a master key of the tests, which is long enough');
const outbound = () => new OutboundPost(new Outbound({ loopback: true, atOnce: 64, timeoutMs: 5_000 }));
const warned: unknown[] = [];

let server: TestDatabase;
let database: Database;
let writers: Writer[];
let owner: pg.Pool;
let clock: HeldClock;
let provider: string;
let account: string;
const receivers: Receiver[] = [];

beforeAll(async () => {
  server = await createTestDatabase();
  database = new Database(server.appUrl, 5);
  writers = [new Writer(server.writerUrl, 8), new Writer(server.writerUrl, 8)];
  owner = new pg.Pool({ connectionString: server.ownerUrl, max: 2 });
});

afterAll(async () => {
  await Promise.all([database.close(), owner.end(), ...writers.map((writer) => writer.close())]);
  await server.drop();
});

beforeEach(async () => {
  // Ahead of the database, whose time deliveries begin with: what is announced is due at once.
  clock = new HeldClock(instant(Date.now() + HOUR));
  ({ provider, account } = await seedProvider(server));
});

afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
  await owner.query("UPDATE webhook_endpoints SET state = 'deleted', disabled_because = NULL WHERE state <> 'deleted'");
  expect(warned.splice(0)).toEqual([]);
});

const receiver = async (...given: Parameters<typeof Receiver.start>): Promise<Receiver> => {
  const started = await Receiver.start(...given);
  receivers.push(started);
  return started;
};

const worker = (which = 0, post: Pick<WebhookPost, 'post'> = outbound(), atOnce = 64): DeliverWebhooks => {
  const writer = writers[which];
  if (!writer) throw new Error('no such worker');
  return new DeliverWebhooks({
    writer,
    post,
    secrets,
    clock,
    atOnce,
    logger: { warn: (...said: unknown[]) => warned.push(said) },
  });
};

const endpointAt = (url: string, more: { types?: string[]; concurrency?: number } = {}) =>
  new CreateEndpoint(database, ids, clock, secrets, outbound()).run({ provider, url, types: ['*'], ...more });

const suspended = (once?: string) =>
  ({
    provider,
    type: 'account.suspended',
    object: { id: account, version: 3 },
    data: { account, reason: 'dispute_lost' },
    once,
  }) as const;

const announce = (times = 1, once?: string) =>
  database.forProvider(provider, async (tx) => {
    for (let i = 0; i < times; i += 1) await new Announce(ids).add(tx, suspended(once));
  });

const change = (endpoint: string, to: Parameters<ChangeEndpoint['run']>[0]['to']) =>
  new ChangeEndpoint(database, clock, outbound()).run({ provider, endpoint, to });

const reader = () => new WebhooksReader(database, clock);
const deliveries = (endpoint: string) => reader().deliveries(provider, endpoint, { limit: 200 });
const states = async (endpoint: string) => (await deliveries(endpoint)).map(({ state }) => state);
const events = () => reader().events(provider, { limit: 200 });

/** All that is due now is done. */
async function deliver(by: DeliverWebhooks): Promise<void> {
  await by.run();
  await by.idle();
}

describe('an announcement', () => {
  it('becomes an event, and a delivery for each enabled endpoint of its provider that wants it', async () => {
    const url = 'http://127.0.0.1:9/';
    const [all, some, other, off] = await Promise.all([
      endpointAt(url),
      endpointAt(url, { types: ['account.suspended', 'account.restored'] }),
      endpointAt(url, { types: ['account.restored'] }),
      endpointAt(url),
    ]);
    await change(off.endpoint.id, { state: 'disabled' });
    const stranger = await seedProvider(server);
    await announce();
    expect(await Promise.all([all, some, other, off].map(({ endpoint }) => states(endpoint.id)))).toEqual([
      ['pending'],
      ['pending'],
      [],
      [],
    ]);
    expect(await events()).toMatchObject([
      { type: 'account.suspended', version: 1, object: { id: account, version: 3 } },
    ]);
    expect(await reader().events(stranger.provider, { limit: 10 })).toEqual([]);
  });

  it('is gone with the transaction it was made in', async () => {
    const { endpoint } = await endpointAt('http://127.0.0.1:9/');
    await expect(
      database.forProvider(provider, async (tx) => {
        await new Announce(ids).add(tx, suspended());
        throw new Error('something else failed');
      }),
    ).rejects.toThrow('something else');
    expect([await events(), await states(endpoint.id)]).toEqual([[], []]);
  });

  it('happens once by its key, also when made by several at once, and wakes the worker only when somebody is told', async () => {
    const staged = async () => (await owner.query("SELECT FROM outbox WHERE queue = 'deliver-webhooks'")).rowCount;
    await owner.query('DELETE FROM outbox');
    await announce();
    expect(await staged()).toBe(0);
    const { endpoint } = await endpointAt('http://127.0.0.1:9/');
    const writer = writers[0];
    await Promise.all([
      announce(1, 'alert 1'),
      announce(2, 'alert 1'),
      writer?.transaction((tx) => new Announce(ids).all(tx, [suspended('alert 1'), suspended('alert 2')])),
    ]);
    expect((await events()).length).toBe(3);
    expect(await states(endpoint.id)).toEqual(['pending', 'pending']);
    expect(await staged()).toBeGreaterThan(0);
  });

  it('is never changed, not even by the owner of the tables', async () => {
    await announce();
    await expect(owner.query("UPDATE webhook_events SET data = '{}'")).rejects.toThrow(/append-only/);
    await expect(owner.query('DELETE FROM webhook_events')).rejects.toThrow(/append-only/);
  });
});

describe('a delivery', () => {
  it('is signed, and its attempt is known before it is made', async () => {
    let before: unknown;
    const hook = await receiver(async () => {
      before = (await owner.query('SELECT attempt, ended_at FROM webhook_attempts WHERE provider_id = $1', [provider]))
        .rows;
      return 200;
    });
    const { endpoint, secret } = await endpointAt(hook.url);
    await announce();
    await deliver(worker());
    expect(before).toEqual([{ attempt: 1, ended_at: null }]);
    const [message] = hook.received;
    const [event] = await events();
    if (!message || !event) throw new Error('nothing came');
    expect(message.id).toBe(event.id);
    expect(message.json).toMatchObject({ id: event.id, type: 'account.suspended', version: 1, object: { version: 3 } });
    expect(verifies(secret, message, clock.now() / 1_000)).toBe(true);
    expect(verifies(secrets.text('whe_other', 1), message, clock.now() / 1_000)).toBe(false);
    expect(verifies(secret, { ...message, text: `${message.text} ` }, clock.now() / 1_000)).toBe(false);
    expect(await deliveries(endpoint.id)).toMatchObject([
      { state: 'delivered', attempts: [{ attempt: 1, outcome: 'answered', status: 200 }] },
    ]);
  });

  it('is signed with two secrets for a day after a rotation, and with the newest two alone', async () => {
    const hook = await receiver();
    const { endpoint, secret: first } = await endpointAt(hook.url);
    const rotate = () => new RotateSecret(database, clock, secrets).run({ provider, endpoint: endpoint.id });
    const { secret: second, endpoint: rotated } = await rotate();
    expect(rotated.formerSecretUntil).toBe(clock.now() + 24 * HOUR);
    const who = async (): Promise<boolean[]> => {
      await announce();
      await deliver(worker());
      const message = hook.received.at(-1);
      return [first, second, third].map((each) => !!message && verifies(each, message, clock.now() / 1_000));
    };
    let third = secrets.text('whe_none', 1);
    expect(await who()).toEqual([true, true, false]);
    ({ secret: third } = await rotate());
    expect(await who()).toEqual([false, true, true]);
    clock.advance(24 * HOUR);
    expect(await who()).toEqual([false, false, true]);
    expect((await reader().endpoint(provider, endpoint.id)).formerSecretUntil).toBeUndefined();
  });

  it('is tried ten times within three days with the same id and body and a fresh signature, then visible and replayable', async () => {
    let answer = 500;
    const hook = await receiver(() => answer);
    const { endpoint, secret } = await endpointAt(hook.url);
    await announce();
    const by = worker();
    const began = clock.now();
    for (let i = 0; i < 40 && (await states(endpoint.id))[0] !== 'exhausted'; i += 1) {
      await deliver(by);
      const [{ nextAttemptAt } = { nextAttemptAt: undefined }] = await deliveries(endpoint.id);
      if (nextAttemptAt !== undefined) {
        clock.advance(nextAttemptAt - clock.now() - 1);
        await deliver(by);
        clock.advance(1);
        // A pause of the endpoint ends within half an hour, whatever its deliveries wait for.
        const { pausedUntil } = await reader().endpoint(provider, endpoint.id);
        if (pausedUntil !== undefined && pausedUntil > clock.now()) clock.advance(pausedUntil - clock.now());
      }
    }
    expect(clock.now() - began).toBeLessThanOrEqual(72 * HOUR);
    expect(hook.received).toHaveLength(10);
    expect(new Set(hook.received.map(({ text }) => text)).size).toBe(1);
    expect(new Set(hook.received.map(({ headers }) => headers['webhook-signature'])).size).toBe(10);
    expect(verifies(secret, hook.received[9] ?? { id: '', headers: {}, text: '', json: {} }, clock.now() / 1_000)).toBe(
      true,
    );
    const [given] = await deliveries(endpoint.id);
    expect(given).toMatchObject({ state: 'exhausted', round: 1 });
    expect(given?.attempts.map(({ attempt, status }) => [attempt, status])).toEqual(
      Array.from({ length: 10 }, (_, i) => [i + 1, 500]),
    );
    await deliver(by);
    expect(hook.received).toHaveLength(10);

    answer = 204;
    const replay = () => new ReplayEvent(database, clock).run({ provider, event: given?.event ?? '' });
    const twice = await Promise.all([replay(), replay()]);
    expect(twice.map((found) => found.map(({ round, state }) => [round, state]))).toContainEqual([
      [2, 'pending'],
      [1, 'replayed'],
    ]);
    clock.advance(HOUR);
    await deliver(by);
    expect(hook.received).toHaveLength(11);
    expect(new Set(hook.ids()).size).toBe(1);
    expect(await states(endpoint.id)).toEqual(['delivered', 'replayed']);
  });

  it('ends after four days, whatever kept it from its attempts', async () => {
    const { endpoint } = await endpointAt('http://127.0.0.1:9/');
    await announce();
    await change(endpoint.id, { state: 'disabled' });
    const by = worker();
    clock.advance(94 * HOUR);
    await by.sweep();
    expect(await states(endpoint.id)).toEqual(['pending']);
    clock.advance(2 * HOUR);
    await by.sweep();
    expect(await states(endpoint.id)).toEqual(['exhausted']);
  });

  it('that lost its last attempt to a worker that never came back is given up, not tried an eleventh time', async () => {
    const hook = await receiver();
    const { endpoint } = await endpointAt(hook.url);
    await announce();
    await owner.query(
      "UPDATE webhook_deliveries SET state = 'delivering', attempts = 10, next_at = $2 WHERE endpoint_id = $1",
      [endpoint.id, new Date(clock.now())],
    );
    await deliver(worker());
    expect(hook.received).toEqual([]);
    await worker().sweep();
    expect(await states(endpoint.id)).toEqual(['exhausted']);
  });
});

describe('two workers at once', () => {
  it('make one POST for each attempt, and no more at once than an endpoint takes', async () => {
    const hook = await receiver(async (_, before) => {
      const place = hook.received.length;
      if (place <= 3) await until('three at once', async () => hook.most === 3);
      // Never so many failures in a row that the endpoint is paused.
      return before === 0 && place % 3 === 0 ? 503 : 200;
    });
    const { endpoint } = await endpointAt(hook.url, { concurrency: 3 });
    const post = outbound();
    await announce(40);
    const both = [worker(0, post), worker(1, post)];
    for (let i = 0; i < 60 && (await states(endpoint.id)).some((state) => state !== 'delivered'); i += 1) {
      await Promise.all(both.map((by) => Promise.all([by.run(), by.run()])));
      await Promise.all(both.map((by) => by.idle()));
      clock.advance(15_000);
    }
    const given = await deliveries(endpoint.id);
    expect(given.map(({ state }) => state)).toEqual(Array.from({ length: 40 }, () => 'delivered'));
    expect(given.some(({ attempts }) => attempts.length > 1)).toBe(true);
    expect(hook.received).toHaveLength(given.reduce((sum, { attempts }) => sum + attempts.length, 0));
    expect(hook.most).toBe(3);
  });

  it('of which one loses its lease: only the other’s answer counts', async () => {
    let release: (answer: PostAnswer) => void = () => undefined;
    const held = new Promise<PostAnswer>((resolve) => (release = resolve));
    const hook = await receiver();
    const { endpoint } = await endpointAt(hook.url);
    await announce();
    const slow = worker(0, { post: () => held });
    await slow.run();
    await deliver(worker(1));
    expect(hook.received).toEqual([]);
    clock.advance(60_000);
    await deliver(worker(1));
    expect(hook.received).toHaveLength(1);
    expect(await states(endpoint.id)).toEqual(['delivered']);
    release({ outcome: 'answered', status: 500 });
    await slow.idle();
    expect(await deliveries(endpoint.id)).toMatchObject([
      {
        state: 'delivered',
        attempts: [
          { attempt: 1, status: 500 },
          { attempt: 2, status: 204 },
        ],
      },
    ]);
  });
});

describe('an endpoint', () => {
  it('that is dead is left alone after a few attempts, and delays nobody', async () => {
    const alive = await receiver();
    const dead = await receiver(() => 500);
    const { endpoint } = await endpointAt(dead.url, { concurrency: 4 });
    await endpointAt(alive.url);
    await announce(50);
    await deliver(worker());
    expect(alive.received).toHaveLength(50);
    expect(dead.received.length).toBeGreaterThanOrEqual(5);
    expect(dead.received.length).toBeLessThanOrEqual(8);
    const paused = await reader().endpoint(provider, endpoint.id);
    expect(paused.pausedUntil).toBeGreaterThan(clock.now());
    // One attempt shows whether it is back.
    const before = dead.received.length;
    clock.advance((paused.pausedUntil ?? 0) - clock.now());
    await deliver(worker());
    expect(dead.received).toHaveLength(before + 1);
  });

  it('that hangs keeps its own places and nobody else’s', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const hanging = await receiver(() => held.then(() => 200));
    const alive = await receiver();
    await endpointAt(hanging.url, { concurrency: 4 });
    await endpointAt(alive.url, { concurrency: 1 });
    await announce(30);
    const by = worker();
    await by.run();
    await until('the others to be told', async () => alive.received.length === 30);
    expect(hanging.received).toHaveLength(4);
    release();
    await by.idle();
    expect(hanging.received).toHaveLength(30);
  });

  it('without a free place does not stand before one that has some, however little room there is', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const hanging = await receiver(() => held.then(() => 200));
    for (let i = 0; i < 3; i += 1) await endpointAt(hanging.url, { concurrency: 1 });
    await announce(2);
    const by = worker(0, outbound(), 5);
    await by.run();
    await until('three to hang', async () => hanging.received.length === 3);
    const alive = await receiver();
    await endpointAt(alive.url);
    await announce();
    await by.run();
    await until('the other to be told', async () => alive.received.length === 1);
    release();
    await by.idle();
  });

  it('that answers 410 is disabled; what waited is sent once it is enabled again', async () => {
    const hook = await receiver((_, before) => (hook.received.length === 1 && before === 0 ? 410 : 200));
    const { endpoint } = await endpointAt(hook.url, { concurrency: 1 });
    await announce(3);
    await deliver(worker());
    expect(hook.received).toHaveLength(1);
    expect(await reader().endpoint(provider, endpoint.id)).toMatchObject({
      state: 'disabled',
      disabledBecause: 'gone',
    });
    await announce();
    expect((await states(endpoint.id)).sort()).toEqual(['exhausted', 'pending', 'pending']);
    expect(await change(endpoint.id, { state: 'enabled' })).toMatchObject({ state: 'enabled', failures: 0 });
    await deliver(worker());
    expect((await states(endpoint.id)).sort()).toEqual(['delivered', 'delivered', 'exhausted']);
  });

  it('that is removed gets nothing more', async () => {
    const hook = await receiver();
    const { endpoint } = await endpointAt(hook.url);
    await announce(2);
    await new RemoveEndpoint(database, clock).run({ provider, endpoint: endpoint.id });
    await announce();
    await deliver(worker());
    expect(hook.received).toEqual([]);
    expect(
      (await owner.query('SELECT state FROM webhook_deliveries WHERE endpoint_id = $1', [endpoint.id])).rows,
    ).toEqual([{ state: 'cancelled' }, { state: 'cancelled' }]);
    await expect(reader().endpoint(provider, endpoint.id)).rejects.toMatchObject({ reason: 'unknown_endpoint' });
  });

  it('is tested alone, whatever it wants', async () => {
    const [hook, other] = [await receiver(), await receiver()];
    const { endpoint } = await endpointAt(hook.url, { types: ['refund.sent'] });
    await endpointAt(other.url);
    const event = await new TestEndpoint(database, ids, clock).run({ provider, endpoint: endpoint.id });
    await deliver(worker());
    expect(hook.ids()).toEqual([event]);
    expect(other.ids()).toEqual([]);
    await change(endpoint.id, { state: 'disabled' });
    const again = new TestEndpoint(database, ids, clock).run({ provider, endpoint: endpoint.id });
    await expect(again).rejects.toMatchObject({ reason: 'endpoint_disabled' });
  });

  it('is one of at most twenty, with a URL that leads outside and types that exist', async () => {
    const made = await Promise.allSettled(Array.from({ length: 25 }, () => endpointAt('http://127.0.0.1:9/')));
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
    for (const [url, types, reason] of [
      ['https://10.0.0.1/', ['*'], 'unsafe_url'],
      ['http://hooks.example/', ['*'], 'unsafe_url'],
      ['https://hooks.example/', ['nothing.happened'], 'unknown_event_type'],
      ['https://hooks.example/', [], 'unknown_event_type'],
    ] as const) {
      await expect(endpointAt(url, { types: [...types] })).rejects.toMatchObject({ reason });
    }
  });

  it('of another provider is not there', async () => {
    const { endpoint } = await endpointAt('http://127.0.0.1:9/');
    await announce();
    const [event] = await events();
    const { provider: stranger } = await seedProvider(server);
    const gone = { reason: 'unknown_endpoint' };
    await expect(reader().deliveries(stranger, endpoint.id, { limit: 1 })).rejects.toMatchObject(gone);
    await expect(
      new ReplayEvent(database, clock).run({ provider: stranger, event: event?.id ?? '' }),
    ).rejects.toMatchObject({
      reason: 'unknown_event',
    });
    await expect(
      new RotateSecret(database, clock, secrets).run({ provider: stranger, endpoint: endpoint.id }),
    ).rejects.toMatchObject(gone);
  });
});
