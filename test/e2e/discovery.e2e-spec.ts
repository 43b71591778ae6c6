import { KEY_SCOPES } from '@features/accounts';
import { HTTPFacilitatorClient } from '@x402/core/server';
import { type Api, createApp } from '../../apps/api/src/create-app.js';
import { apiConfig, type ApiDatabase, call, type Called, createDatabase, makeKey } from '../support/api.js';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';

// Two providers publish what they sell; anybody finds it, at the price of the moment, and a facilitator's caller with a key settles
// only for its own provider.

let database: ApiDatabase;
let api: Api;
let url: string;
const keys: string[] = [];
const providers: string[] = [];

beforeAll(async () => {
  database = await createDatabase();
  api = await createApp(apiConfig(database, { LOG_LEVEL: 'error' }));
  url = await api.listen(0, '127.0.0.1');
  for (let i = 0; i < 2; i += 1) {
    const { key, provider } = await makeKey(api, { scopes: KEY_SCOPES });
    keys.push(key);
    providers.push(provider);
    await by(i)('POST', '/v1/meters', { name: 'calls', aggregation: 'count', unit: 'call' });
    await by(i)('POST', '/v1/prices', { meter: 'calls', model: 'per_unit', definition: { rate: `0.00${i + 1}` } });
  }
});

afterAll(async () => {
  await api.close();
  await database.drop();
});

const by =
  (who: number) =>
  (method: string, path: string, body?: unknown): Promise<Called> =>
    call(url, method, path, { key: keys[who] ?? '', body });

const found = async (query = ''): Promise<{ resource: string; accepts: { amount: string; extra: object }[] }[]> => {
  const answer = await fetch(`${url}/x402/discovery/resources${query}`);
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { items: [] }).items;
};

describe('resources', () => {
  it('are listed once, as they were published last, at the price of the moment', async () => {
    const first = { method: 'GET', url: 'https://one.example/search', meter: 'calls', tags: ['search'] };
    expect((await by(0)('PUT', '/v1/resources', first)).status).toBe(201);
    const again = await by(0)('PUT', '/v1/resources', { ...first, quantity: '3', description: 'Three at once' });
    expect(again.status).toBe(200);
    expect((await by(1)('PUT', '/v1/resources', { ...first, url: 'https://two.example/search' })).status).toBe(201);

    const items = await found();
    expect(items.map(({ resource }) => resource).sort()).toEqual([
      'https://one.example/search',
      'https://two.example/search',
    ]);
    const one = items.find(({ resource }) => resource.includes('one.example'));
    expect(one).toMatchObject({
      type: 'http',
      x402Version: 2,
      description: 'Three at once',
      tags: ['search'],
      accepts: [{ scheme: 'exact', network: 'eip155:84532', amount: '3000' }],
    });
    expect(one?.accepts[0]?.extra).not.toHaveProperty('quote');
  });

  it('are found by wallet, scheme and network, page by page', async () => {
    expect(await found('?scheme=none')).toEqual([]);
    expect(await found('?network=eip155:84532&limit=1')).toHaveLength(1);
    expect(await found('?limit=1&offset=1')).toHaveLength(1);
    expect(await found(`?payTo=0x${'99'.repeat(20)}`)).toEqual([]);
    expect((await fetch(`${url}/x402/discovery/resources?limit=101`)).status).toBe(400);
  });

  it('that nobody could buy are not taken, and those withdrawn are gone', async () => {
    const unknown = await by(0)('PUT', '/v1/resources', {
      method: 'GET',
      url: 'https://one.example/other',
      meter: 'nothing',
    });
    expect(unknown).toMatchObject({ status: 404, json: { reason: 'unknown_meter' } });
    const { json } = await by(1)('GET', '/v1/resources');
    expect(json.data).toHaveLength(1);
    expect((await by(0)('DELETE', `/v1/resources/${json.data[0].id}`)).status).toBe(404);
    expect((await by(1)('DELETE', `/v1/resources/${json.data[0].id}`)).status).toBe(204);
    expect((await found()).map(({ resource }) => resource)).toEqual(['https://one.example/search']);
  });
});

describe('a facilitator’s caller', () => {
  const ask = async (key: string | undefined) => {
    const client = new HTTPFacilitatorClient({
      url: `${url}/x402`,
      createAuthHeaders: async () => {
        const headers: Record<string, string> = key === undefined ? {} : { Authorization: `Bearer ${key}` };
        return { verify: headers, settle: headers, supported: headers };
      },
    });
    const offer = {
      scheme: 'exact',
      network: 'eip155:84532' as const,
      amount: '1000',
      asset: USDC_ADDRESS,
      payTo: `0x${'7e'.repeat(20)}`,
      maxTimeoutSeconds: 300,
      extra: { name: 'USDC', version: '2' },
    };
    const authorization = {
      from: `0x${'11'.repeat(20)}`,
      to: offer.payTo,
      value: '1000',
      validAfter: '0',
      validBefore: '2000000000',
      nonce: `0x${'22'.repeat(32)}`,
    };
    return client.verify(
      { x402Version: 2, accepted: offer, payload: { authorization, signature: `0x${'33'.repeat(64)}1b` } },
      offer,
    );
  };

  it('needs no key, but one that is shown has to hold', async () => {
    expect(await ask(undefined)).toMatchObject({ isValid: false, invalidReason: 'invalid_exact_evm_signature' });
    expect(await ask(keys[0])).toMatchObject({ isValid: false, invalidReason: 'invalid_exact_evm_signature' });
    await expect(ask(`${keys[0]?.slice(0, -1)}x`)).rejects.toThrow();
  });
});
