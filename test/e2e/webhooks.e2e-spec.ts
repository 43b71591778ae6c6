import { erc20Asset } from '@core/money';
import { Holds } from '@features/wallet';
import { HOSTILE_URLS } from '../support/hostile-targets.js';
import { call, type Called } from '../support/api.js';
import { House } from '../support/house.js';
import { Receiver, verifies } from '../support/receiver.js';
import { until } from '../support/until.js';

// A provider is told what happened: at a server of its own, by a worker that may be killed, past servers that are dead.

let house: House;
const receivers: Receiver[] = [];

beforeAll(async () => {
  house = await House.build({ config: { WEBHOOK_LOOPBACK: 'true' } });
});

afterAll(async () => {
  await Promise.all(receivers.map((receiver) => receiver.close()));
  await house.close();
});

const ask = (method: string, path: string, body?: unknown): Promise<Called> =>
  call(house.url, method, path, { key: house.key, body });
const get = (path: string) => ask('GET', path);
const post = (path: string, body?: unknown) => ask('POST', path, body);

async function receive(...given: Parameters<typeof Receiver.start>): Promise<Receiver> {
  const receiver = await Receiver.start(...given);
  receivers.push(receiver);
  return receiver;
}

async function endpointAt(url: string, types: readonly string[] = ['*']): Promise<{ id: string; secret: string }> {
  const made = await post('/v1/webhook-endpoints', { url, types });
  expect(made).toMatchObject({
    status: 201,
    json: { url, state: 'enabled', secret: expect.stringMatching(/^whsec_/) },
  });
  return made.json;
}

const test = async (endpoint: string): Promise<string> => {
  const sent = await post(`/v1/webhook-endpoints/${endpoint}/test`);
  expect(sent.status).toBe(202);
  return sent.json.event;
};

const deliveries = async (endpoint: string) => (await get(`/v1/webhook-endpoints/${endpoint}/deliveries`)).json.data;
const first = async (endpoint: string) => (await deliveries(endpoint))[0];
const untilState = (endpoint: string, state: string) =>
  until(
    `a delivery to be ${state}`,
    async () => {
      const delivery = await first(endpoint);
      return delivery?.state === state ? delivery : undefined;
    },
    undefined,
    45_000,
  );

const seconds = () => Date.now() / 1_000;

/** An account that spends so much of what it has that its provider is told. */
async function lowBalance(): Promise<string> {
  const account: string = (await post('/v1/accounts', {})).json.id;
  const { asset } = (await post(`/v1/accounts/${account}/grants`, { kind: 'promotional', amount: '100' })).json;
  await ask('PUT', `/v1/accounts/${account}/alerts`, { below: ['50'] });
  const [meter] = (await house.owner.query<{ id: string }>("SELECT id FROM meters WHERE name = 'api.calls'")).rows;
  const rim = house.apis[0]?.rim;
  if (!rim || !meter) throw new Error('the house has neither api nor meter');
  const holds = new Holds(rim.writer, rim.ids);
  const taken = await holds.take({
    provider: house.provider,
    account,
    asset: erc20Asset(84532, asset.split(':').at(-1)),
    fingerprint: 'f',
    ttlSeconds: 60,
    meter: { id: meter.id, name: 'api.calls' },
    quantity: '1',
    payer: 'key_1',
    resource: 'GET https://api.example.com/',
    amount: 60n,
    key: 'one',
  });
  if (taken.outcome !== 'held') throw new Error(taken.outcome);
  await holds.capture({ provider: house.provider, hold: taken.hold.id, amount: 60n, quantity: '1' });
  return account;
}

describe('webhooks', () => {
  it('are made, changed and removed over HTTP; the secret is shown once', async () => {
    const hook = await receive();
    const { id, secret } = await endpointAt(hook.url, ['balance.low']);
    expect(JSON.stringify((await get('/v1/webhook-endpoints')).json)).not.toContain(secret);
    expect((await get(`/v1/webhook-endpoints/${id}`)).json).toMatchObject({
      id,
      types: ['balance.low'],
      concurrency: 2,
    });
    const changed = await ask('PATCH', `/v1/webhook-endpoints/${id}`, { concurrency: 4, description: 'Billing' });
    expect(changed).toMatchObject({ status: 200, json: { concurrency: 4, description: 'Billing' } });
    const off = await ask('PATCH', `/v1/webhook-endpoints/${id}`, { state: 'disabled' });
    expect(off.json).toMatchObject({ state: 'disabled', disabledBecause: 'asked' });
    expect(await post(`/v1/webhook-endpoints/${id}/test`)).toMatchObject({
      status: 409,
      json: { reason: 'endpoint_disabled' },
    });
    const rotated = await post(`/v1/webhook-endpoints/${id}/rotate-secret`);
    expect(rotated.status).toBe(200);
    expect(rotated.json.secret).not.toBe(secret);
    expect(rotated.json.formerSecretUntil).toBeDefined();
    expect((await ask('DELETE', `/v1/webhook-endpoints/${id}`)).status).toBe(204);
    expect((await get(`/v1/webhook-endpoints/${id}`)).json).toMatchObject({ reason: 'unknown_endpoint' });
    for (const [body, status] of [
      [{ url: hook.url, types: ['nothing'] }, 400],
      [{ url: hook.url, types: [] }, 400],
      [{ url: hook.url, types: ['*'], concurrency: 5 }, 400],
      [{ url: hook.url, types: ['*'], more: true }, 400],
    ] as const)
      expect((await post('/v1/webhook-endpoints', body)).status).toBe(status);
  });

  it('lead nowhere inside', async () => {
    // Those that loopback allows here are allowed on purpose.
    const hostile = HOSTILE_URLS.filter((url) => !/^http:\/\/(?:127\.0\.0\.1|localhost)[:/]/i.test(url));
    expect(hostile.length).toBeGreaterThan(300);
    for (let from = 0; from < hostile.length; from += 20) {
      const answers = await Promise.all(
        hostile.slice(from, from + 20).map(async (url) => {
          const { status, json } = await post('/v1/webhook-endpoints', { url, types: ['*'] });
          return { url, status, reason: json.reason };
        }),
      );
      for (const { url, ...answer } of answers)
        expect({ url, ...answer }).toEqual({ url, status: 400, reason: 'unsafe_url' });
    }
  });

  it('are catalogued, each with a schema and an example, for everybody', async () => {
    const catalogue = await call(house.url, 'GET', '/v1/webhook-event-types', {});
    expect(catalogue.status).toBe(200);
    const types = catalogue.json.data.map(({ type }: { type: string }) => type);
    expect(types).toEqual(expect.arrayContaining(['balance.low', 'statement.issued', 'dispute.lost', 'endpoint.test']));
    for (const { type, example, schema } of catalogue.json.data) {
      expect(example).toMatchObject({ type, version: 1, object: { version: 1 } });
      expect(Object.keys(example.data)).toEqual(expect.arrayContaining(schema.required));
    }
    const document = await call(house.url, 'GET', '/openapi.json', {});
    expect(document.text).toContain('`balance.low`');
  });

  it('bring an event, signed as the standard says, past a dead endpoint', async () => {
    const alive = await receive();
    const dead = await receive(() => 500);
    const hanging = await receive(() => new Promise(() => undefined));
    const [good, bad, stuck] = [
      await endpointAt(alive.url, ['balance.low']),
      await endpointAt(dead.url),
      await endpointAt(hanging.url),
    ];
    const accounts = await Promise.all(Array.from({ length: 12 }, () => lowBalance()));
    await house.startWorker();
    await until('all to arrive', async () => alive.received.length >= 12);
    expect(alive.received.map(({ json }) => json.data.account).sort()).toEqual([...accounts].sort());
    for (const message of alive.received) {
      expect(verifies(good.secret, message, seconds())).toBe(true);
      expect(verifies(bad.secret, message, seconds())).toBe(false);
      expect(message.json).toMatchObject({ type: 'balance.low', version: 1, object: { version: 1 } });
    }
    // The dead one was left alone after a few, the one that hangs has what it takes at once.
    expect(dead.received.length).toBeLessThan(12);
    expect(hanging.received.length).toBeLessThanOrEqual(2);
    expect((await first(bad.id)).state).toMatch(/retrying|pending|delivering/);
    const events = await get('/v1/webhook-events?type=balance.low&limit=5');
    expect(events.json.data).toHaveLength(5);
    expect((await get(`/v1/webhook-events?limit=200&cursor=${events.json.next}`)).json.data.length).toBeGreaterThan(6);
    for (const { id } of [good, bad, stuck]) await ask('DELETE', `/v1/webhook-endpoints/${id}`);
  });

  it('end where the receiver says 410, and come again when they are replayed', async () => {
    let status = 410;
    const hook = await receive(() => status);
    const { id, secret } = await endpointAt(hook.url);
    const event = await test(id);
    await untilState(id, 'exhausted');
    expect((await get(`/v1/webhook-endpoints/${id}`)).json).toMatchObject({
      state: 'disabled',
      disabledBecause: 'gone',
    });
    const replay = () => post(`/v1/webhook-events/${event}/replay?endpoint=${id}`);
    expect(await replay()).toMatchObject({ status: 409, json: { reason: 'endpoint_disabled' } });
    await ask('PATCH', `/v1/webhook-endpoints/${id}`, { state: 'enabled' });
    status = 200;
    const replayed = await replay();
    expect(replayed.status).toBe(202);
    expect(
      replayed.json.data.map(({ round, state }: { round: number; state: string }) => [round, state]),
    ).toContainEqual([1, 'replayed']);
    await untilState(id, 'delivered');
    expect(hook.ids()).toEqual([event, event]);
    expect(hook.received.every((message) => verifies(secret, message, seconds()))).toBe(true);
    await ask('DELETE', `/v1/webhook-endpoints/${id}`);
  });

  it('are delivered at least once, under one id, by the next worker when one is killed between attempt and answer', async () => {
    for (const child of house.processes) await house.stop(child);
    let alone = true;
    const hook = await receive(() => (alone ? new Promise<number>(() => undefined) : 204));
    const { id } = await endpointAt(hook.url);
    const killed = await house.startWorker();
    const event = await test(id);
    await until('the first POST', async () => hook.received.length === 1);
    await house.stop(killed, 'SIGKILL');
    alone = false;
    expect(await first(id)).toMatchObject({ state: 'delivering', attempts: [{ attempt: 1 }] });
    expect((await first(id)).attempts[0].endedAt).toBeUndefined();
    await house.startWorker();
    // The lease of the killed one ends; the test does not wait for the minute.
    await house.owner.query("UPDATE webhook_deliveries SET next_at = now() WHERE state = 'delivering'");
    expect(await untilState(id, 'delivered')).toMatchObject({
      attempts: [{ attempt: 1 }, { attempt: 2, outcome: 'answered', status: 204 }],
    });
    expect(hook.ids()).toEqual([event, event]);
    expect(new Set(hook.received.map(({ text }) => text)).size).toBe(1);
  });
});
