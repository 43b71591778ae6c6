import { createSIWxPayload, encodeSIWxHeader } from '@x402/extensions/sign-in-with-x';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { type Api, createApp } from '../../apps/api/src/create-app.js';
import { apiConfig, type ApiDatabase, call, type Called, createDatabase, makeKey } from '../support/api.js';

// A provider opens an account for an agent, gives it a key with a budget, and links its wallet; the agent looks at what it has,
// finds that its key reaches nothing of the provider's, and links a wallet by itself once its key lets it.

let database: ApiDatabase;
let api: Api;
let url: string;
let provider: string;
let own: string;
let account: string;

beforeAll(async () => {
  database = await createDatabase();
  api = await createApp(apiConfig(database, { LOG_LEVEL: 'error' }));
  url = await api.listen(0, '127.0.0.1');
  ({ provider, key: own } = await makeKey(api, { scopes: ['manage', 'read'] }));
  account = (await call(url, 'POST', '/v1/accounts', { key: own, body: { name: 'agent-7' } })).json.id;
});
afterAll(async () => {
  await api.close();
  await database.drop();
});

const keysOf = () => `/v1/accounts/${account}/keys`;
const identitiesOf = (of = account) => `/v1/accounts/${of}/identities`;
const newKey = (body: object): Promise<Called> =>
  call(url, 'POST', keysOf(), { key: own, body: { name: 'x', ...body } });

/** Signs what `challenge` asks for with the public client, and shows it at `path`. */
async function link(wallet: ReturnType<typeof privateKeyToAccount>, key: string, path: string): Promise<Called> {
  const { status, json } = await call(url, 'GET', `${path}/challenge`, { key });
  expect(status).toBe(200);
  const asked = { ...json.info, ...json.supportedChains[0] };
  const proof = encodeSIWxHeader(await createSIWxPayload(asked, wallet, asked.uri));
  return call(url, 'POST', path, { key, headers: { 'sign-in-with-x': proof } });
}

describe('an agent', () => {
  const budgets = [{ asset: 'iso4217:USD', span: 'day', amount: '500' }];
  const wallet = privateKeyToAccount(generatePrivateKey());
  let limited: string;

  it('gets a key that is shown once', async () => {
    const { status, json } = await newKey({ budgets });
    expect({ status, json }).toMatchObject({ status: 201, json: { account, scopes: ['pay', 'read'], budgets } });
    limited = json.secret;
    const listed = await call(url, 'GET', keysOf(), { key: own });
    expect(listed.json.data).toMatchObject([{ id: json.id, budgets }]);
    expect(JSON.stringify(listed.json)).not.toContain(limited);
  });

  it('sees what its key is for', async () => {
    const { status, json } = await call(url, 'GET', '/v1/agent', { key: limited });
    expect({ status, json }).toMatchObject({
      status: 200,
      json: { provider, account, budgets, scopes: ['pay', 'read'] },
    });
  });

  it('reaches nothing of the provider’s with it, nor the provider anything of an agent’s', async () => {
    for (const path of ['/v1/keys', '/v1/accounts', `/v1/accounts/${account}`, keysOf(), '/v1/provider']) {
      const { status, json } = await call(url, 'GET', path, { key: limited });
      expect({ path, status, reason: json.reason }).toEqual({ path, status: 403, reason: 'agent_key' });
    }
    expect(await call(url, 'GET', '/v1/agent', { key: own })).toMatchObject({
      status: 403,
      json: { reason: 'provider_key' },
    });
    expect(await call(url, 'GET', '/v1/agent', {})).toMatchObject({ status: 401, json: { reason: 'missing_key' } });
    const { secret } = (await newKey({ scopes: ['pay'] })).json;
    expect(await call(url, 'GET', '/v1/agent', { key: secret })).toMatchObject({
      status: 403,
      json: { reason: 'missing_scope' },
    });
  });

  it('is not given a key that makes no sense', async () => {
    for (const body of [
      { scopes: [] },
      { scopes: ['manage'] },
      { budgets: [{ asset: 'USD', span: 'day', amount: '1' }] },
      { budgets: [{ asset: 'iso4217:USD', span: 'week', amount: '1' }] },
      { budgets: [{ asset: 'iso4217:USD', span: 'day', amount: '1.5' }] },
      { budgets: [...budgets, ...budgets] },
      { expiresAt: '2020-01-01T00:00:00Z' },
    ]) {
      expect({ body, status: (await newKey(body)).status }).toEqual({ body, status: 400 });
    }
  });

  it('has its wallet linked by its provider, with a proof of the wallet', async () => {
    expect(await link(wallet, own, identitiesOf())).toMatchObject({
      status: 201,
      json: { kind: 'wallet', subject: wallet.address.toLowerCase(), account, proof: 'sign-in' },
    });
    expect((await link(wallet, own, identitiesOf())).status).toBe(200);
    const bare = await call(url, 'POST', identitiesOf(), { key: own });
    expect(bare).toMatchObject({ status: 422, json: { reason: 'no_proof' } });
    const other = (await call(url, 'POST', '/v1/accounts', { key: own, body: { name: 'agent-8' } })).json.id;
    expect(await link(wallet, own, identitiesOf(other))).toMatchObject({
      status: 409,
      json: { reason: 'identity_taken', account },
    });
  });

  it('links a wallet by itself, unless its key may do less than the wallet could', async () => {
    const second = privateKeyToAccount(generatePrivateKey());
    const refused = await call(url, 'POST', '/v1/agent/identities', { key: limited });
    expect(refused).toMatchObject({ status: 403, json: { reason: 'limited_key' } });
    const { secret } = (await newKey({})).json;
    expect(await link(second, secret, '/v1/agent/identities')).toMatchObject({ status: 201, json: { account } });
    const listed = await call(url, 'GET', '/v1/agent/identities', { key: secret });
    expect(listed.json.data.map(({ subject }: { subject: string }) => subject)).toEqual([
      wallet.address.toLowerCase(),
      second.address.toLowerCase(),
    ]);
  });

  it('loses a wallet that is unlinked, and a key that is revoked', async () => {
    const path = `${identitiesOf()}/wallet/${wallet.address}`;
    expect(await call(url, 'DELETE', path, { key: own })).toMatchObject({ status: 200, json: { account } });
    expect((await call(url, 'DELETE', path, { key: own })).status).toBe(404);
    const { id, secret } = (await newKey({})).json;
    const revoked = await call(url, 'DELETE', `${keysOf()}/${id}`, { key: own });
    expect(revoked.json.revokedAt).toBeDefined();
    // Never presented before, so no process remembers it.
    expect((await call(url, 'GET', '/v1/agent', { key: secret })).status).toBe(401);
  });
});
