import { erc20Asset } from '@core/money';
import { KEY_SCOPES } from '@features/accounts';
import { Holds } from '@features/wallet';
import { type Api, createApp } from '../../apps/api/src/create-app.js';
import { apiConfig, type ApiDatabase, call, type Called, createDatabase, makeKey } from '../support/api.js';

// A provider gives an agent's account value, bounds what it spends, sees it spend, and takes back what is left.

let database: ApiDatabase;
let api: Api;
let url: string;
let key: string;
let provider: string;
let account: string;

beforeAll(async () => {
  database = await createDatabase();
  api = await createApp(apiConfig(database, { LOG_LEVEL: 'error' }));
  url = await api.listen(0, '127.0.0.1');
  ({ key, provider } = await makeKey(api, { scopes: KEY_SCOPES }));
  account = (await post('/v1/accounts', { name: 'agent' })).json.id;
  await post('/v1/meters', { name: 'calls', aggregation: 'count', unit: 'calls' });
});

afterAll(async () => {
  await api.close();
  await database.drop();
});

const get = (path: string): Promise<Called> => call(url, 'GET', path, { key });
const post = (path: string, body?: unknown): Promise<Called> => call(url, 'POST', path, { key, body });
const put = (path: string, body?: unknown): Promise<Called> => call(url, 'PUT', path, { key, body });
const remove = (path: string): Promise<Called> => call(url, 'DELETE', path, { key });
const of = (what: string): string => `/v1/accounts/${account}/${what}`;

describe('a wallet', () => {
  let bought: string;
  let given: string;
  let asset: string;

  it('is given value, once by key', async () => {
    const paid = { kind: 'paid', amount: '1000', cost: '900', funding: 'receipt 7', key: 'seven' };
    const first = await post(of('grants'), paid);
    expect(first).toMatchObject({
      status: 201,
      json: { state: 'active', remaining: '1000', held: '0', priority: 100 },
    });
    expect(await post(of('grants'), paid)).toMatchObject({ status: 200, json: { id: first.json.id } });
    expect(await post(of('grants'), { ...paid, amount: '5' })).toMatchObject({
      status: 409,
      json: { reason: 'grant_exists' },
    });
    ({ id: bought, asset } = first.json);
    const gift = await post(of('grants'), {
      kind: 'promotional',
      amount: '100',
      scope: ['calls'],
      recurrence: { every: 'month', rollover: { min: '0', max: '50' } },
    });
    expect(gift).toMatchObject({
      status: 201,
      json: { scope: ['calls'], recurrence: { every: 'month', keepsOverage: false } },
    });
    given = gift.json.id;
  });

  it('says what is wrong with a grant', async () => {
    for (const [wrong, status, said] of [
      [{ kind: 'paid', amount: '10' }, 400, /funding/],
      [{ kind: 'gift', amount: '10' }, 400, /kind/],
      [{ kind: 'goodwill', amount: '1.5' }, 400, /amount must be a whole number/],
      [{ kind: 'goodwill', amount: '1', scope: ['nothing'] }, 404, /no meter "nothing"/],
      [{ kind: 'goodwill', amount: '1', expiresAt: '2020-01-01T00:00:00Z' }, 400, /expires after/],
    ] as const) {
      const answer = await post(of('grants'), wrong);
      expect({ wrong, status: answer.status }).toEqual({ wrong, status });
      expect(answer.json.detail).toMatch(said);
    }
  });

  it('is bounded, spent in burn order, and shows both', async () => {
    const limit = await put(of('limits'), { window: 'lifetime', amount: '500', alertPercents: [20] });
    expect(limit).toMatchObject({ status: 200, json: { hard: true, spent: '0', amount: '500' } });
    expect(
      await put(of('limits'), { window: 'day', key: `key_${'0'.repeat(32)}`, meter: 'calls', amount: '1' }),
    ).toMatchObject({ status: 400 });
    expect(await put(of('alerts'), { below: ['1000'] })).toMatchObject({ status: 204 });
    expect(await put(of('auto-topup'), { threshold: '980', fixed: '200', upTo: '1' })).toMatchObject({ status: 400 });
    expect(await put(of('auto-topup'), { threshold: '980', fixed: '200' })).toMatchObject({
      status: 200,
      json: { perDay: 3 },
    });

    const holds = new Holds(api.rim.writer, api.rim.ids);
    const [meter] = await database.rows("SELECT id FROM meters WHERE name = 'calls'");
    const request = {
      provider,
      account,
      asset: erc20Asset(84532, asset.split(':').at(-1) ?? ''),
      fingerprint: 'f',
      ttlSeconds: 60,
      meter: { id: String(meter?.['id']), name: 'calls' },
      quantity: '1',
      payer: 'key_1',
      resource: 'GET https://api.example.com/',
    };
    const taken = await holds.take({ ...request, amount: 300n, key: 'one' });
    if (taken.outcome !== 'held') throw new Error(taken.outcome);
    expect((await get(of('wallet'))).json).toMatchObject({
      balances: [{ balance: '1100', held: '300', available: '800', grants: [{ id: bought }, { id: given }].reverse() }],
      limits: [{ spent: '0', held: '300' }],
    });
    expect(await holds.take({ ...request, amount: 201n, key: 'two' })).toMatchObject({ outcome: 'limit', left: 200n });
    await holds.capture({ provider, hold: taken.hold.id, amount: 150n, quantity: '1' });
    expect((await get(of('wallet'))).json).toMatchObject({
      balances: [{ balance: '950', held: '0', grants: [{ id: bought, remaining: '950' }] }],
    });
    expect((await get(of('limits'))).json.data).toMatchObject([{ spent: '150', held: '0' }]);
    expect((await get(of('alerts'))).json.data.map(({ kind }: { kind: string }) => kind).sort()).toEqual([
      'balance_low',
      'limit_reached',
      'top_up_due',
    ]);
    expect((await get(of('auto-topup'))).json.data).toMatchObject([{ pending: '200', failures: 0 }]);
    expect((await get(of('balance'))).json.balances).toMatchObject([{ owed: '0' }]);
    const [listed] = (await get(of('limits'))).json.data;
    expect(await remove(`${of('limits')}/${listed.id}`)).toMatchObject({ status: 204 });
    expect(await remove(`${of('limits')}/${listed.id}`)).toMatchObject({
      status: 404,
      json: { reason: 'unknown_limit' },
    });
    expect(await remove(of('auto-topup'))).toMatchObject({ status: 204 });
  });

  it('is refunded and voided, and keeps no more than is left', async () => {
    expect(await post(`/v1/grants/${bought}/refund`, { amount: '50', key: 'back' })).toMatchObject({
      status: 201,
      json: { value: '50', cash: '45', grant: { remaining: '900', refunded: '50' } },
    });
    expect(await post(`/v1/grants/${bought}/refund`, { amount: '901' })).toMatchObject({
      status: 409,
      json: { reason: 'not_refundable' },
    });
    expect(await post(`/v1/grants/${bought}/void`)).toMatchObject({
      status: 200,
      json: { state: 'voided', remaining: '0' },
    });
    expect(await post(`/v1/grants/${bought}/void`)).toMatchObject({ status: 200, json: { state: 'voided' } });
    expect(await post(`/v1/grants/${given}/void`)).toMatchObject({ status: 409, json: { reason: 'grant_ended' } });
    const page = await get(`${of('grants')}?limit=1`);
    expect(page.json).toMatchObject({ data: [{ id: given, state: 'exhausted' }], next: given });
    expect((await get(`${of('grants')}?cursor=${page.json.next}`)).json).toMatchObject({
      data: [{ id: bought }],
      next: null,
    });
  });

  it('is of its provider alone, and for keys that may', async () => {
    const other = await makeKey(api, { scopes: KEY_SCOPES });
    expect(await call(url, 'GET', of('wallet'), { key: other.key })).toMatchObject({ status: 404 });
    expect(await call(url, 'POST', `/v1/grants/${bought}/void`, { key: other.key })).toMatchObject({ status: 404 });
    const reader = await makeKey(api, { scopes: ['read'], provider });
    expect(await call(url, 'GET', of('grants'), { key: reader.key })).toMatchObject({ status: 200 });
    expect(
      await call(url, 'POST', of('grants'), { key: reader.key, body: { kind: 'goodwill', amount: '1' } }),
    ).toMatchObject({ status: 403 });
  });
});
