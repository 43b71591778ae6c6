import express from 'express';
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http';
import { type CompleteSIWxInfo, createSIWxPayload, encodeSIWxHeader } from '@x402/extensions/sign-in-with-x';
import { paywall } from '@farebox/paywall/express';
import type { Called } from '../support/api.js';
import { verifyBooks, railOf } from '../support/books.js';
import { House } from '../support/house.js';
import { until } from '../support/until.js';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';

// An agent with a balance: its key, or its wallet's sign-in, is all it shows. What is used is charged, once, and never more than is there.

const ASSET = `eip155:84532/erc20:${USDC_ADDRESS.toLowerCase()}`;
const PRICE = 4_000;

describe('a prepaid balance', () => {
  let house: House;
  let provider: string;
  let served = 0;

  beforeAll(async () => {
    house = await House.build({ apis: 2 });
    const app = express();
    const price = paywall({ gateUrl: house.url, key: house.key });
    app.get('/hello', price({ meter: 'api.calls' }), (_request, response) => {
      served += 1;
      response.json({ served });
    });
    app.get('/broken', price({ meter: 'api.calls' }), (_request, response) => {
      response.status(500).json({ error: 'the handler failed' });
    });
    app.get(
      '/compute',
      price({ meter: 'api.calls', quantity: '5', measured: () => '2' }),
      (_request, response) => void response.json({ computed: true }),
    );
    provider = await house.serve(app);
  });

  afterAll(() => house.close());

  const api = async (method: string, path: string, body?: unknown): Promise<Pick<Called, 'status' | 'json'>> => {
    const answer = await house.call(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: answer.status, json: await answer.json().catch(() => undefined) };
  };
  const account = async (grant?: number): Promise<string> => {
    const { json } = await api('POST', '/v1/accounts', {});
    if (grant !== undefined) {
      const granted = await api('POST', `/v1/accounts/${json.id}/grants`, {
        asset: ASSET,
        kind: 'goodwill',
        amount: String(grant),
      });
      expect(granted.status).toBe(201);
    }
    return json.id;
  };
  const keyOf = async (of: string, more: object = {}): Promise<{ id: string; secret: string }> =>
    (await api('POST', `/v1/accounts/${of}/keys`, { name: 'agent', ...more })).json;
  const available = async (of: string): Promise<string> =>
    (await api('GET', `/v1/accounts/${of}/wallet`)).json.balances[0].available;
  const ask = (path: string, key: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${provider}${path}`, { headers: { authorization: `Bearer ${key}`, ...headers } });

  it('pays for what is served, by showing a key', async () => {
    const payer = await account(10 * PRICE);
    const { id, secret } = await keyOf(payer);
    const response = await ask('/hello', secret);
    expect(response.status).toBe(200);
    expect(decodePaymentResponseHeader(response.headers.get('payment-response') ?? '')).toMatchObject({
      success: true,
      network: 'farebox:prepaid',
      payer: id,
      amount: String(PRICE),
      transaction: '',
    });
    expect(await available(payer)).toBe(String(9 * PRICE));

    const { extensions } = decodePaymentResponseHeader(response.headers.get('payment-response') ?? '');
    const { statusUrl } = (extensions as { farebox: { statusUrl: string } }).farebox;
    const status = await fetch(statusUrl.replace(/^https?:\/\/[^/]+/, house.url));
    expect(await status.json()).toMatchObject({ status: 'final', account: payer, charged: String(PRICE) });
  });

  it('is charged what was measured, nothing for what was not served, and once for one Idempotency-Key', async () => {
    const payer = await account(100 * PRICE);
    const { secret } = await keyOf(payer);
    expect((await ask('/compute', secret)).status).toBe(200);
    expect(await available(payer)).toBe(String(98 * PRICE));
    expect((await ask('/broken', secret)).status).toBe(500);
    expect(await available(payer)).toBe(String(98 * PRICE));

    const named = { 'idempotency-key': 'order-1' };
    const first = await ask('/hello', secret, named);
    const again = await ask('/hello', secret, named);
    expect(await again.json()).toEqual(await first.json());
    expect(await available(payer)).toBe(String(97 * PRICE));
    expect((await ask('/hello?other=1', secret, named)).status).toBe(409);
    expect(await available(payer)).toBe(String(97 * PRICE));
  });

  it('that is too small is told so, with what would do, and offers to pay by the call', async () => {
    const payer = await account(PRICE - 1);
    const { secret } = await keyOf(payer);
    const response = await ask('/hello', secret);
    expect(response.status).toBe(402);
    const challenge = decodePaymentRequiredHeader(response.headers.get('payment-required') ?? '');
    expect(challenge.error).toBe('insufficient_balance');
    expect(challenge.accepts.length).toBeGreaterThan(0);
    expect(challenge.extensions?.['farebox']).toMatchObject({
      info: { asset: ASSET, needed: String(PRICE), available: String(PRICE - 1) },
    });
  });

  it('that is spent goes on on credit, up to the line, and not at all while its account is suspended', async () => {
    const payer = await account(PRICE);
    const { secret } = await keyOf(payer);
    const line = (limit: number) => api('PUT', `/v1/accounts/${payer}/credit`, { asset: ASSET, limit: String(limit) });
    expect((await line(2 * PRICE)).json).toMatchObject({ limit: String(2 * PRICE), available: String(2 * PRICE) });
    const statuses: number[] = [];
    for (let i = 0; i < 4; i += 1) statuses.push((await ask('/hello', secret)).status);
    expect(statuses).toEqual([200, 200, 200, 402]);
    const { json: owed } = await api('GET', `/v1/accounts/${payer}/credit`);
    expect(owed.data).toMatchObject([{ unbilledCalls: String(2 * PRICE), available: '0' }]);

    await line(100 * PRICE);
    expect((await ask('/hello', secret)).status).toBe(200);
    const terms = { asset: ASSET, period: 'month', zone: 'Europe/Berlin', pastDue: 'suspend' };
    expect((await api('PUT', `/v1/accounts/${payer}/terms`, terms)).json).toMatchObject({ standing: 'good' });
    const standing = (to: string) =>
      house.owner.query('UPDATE billing_terms SET standing = $2 WHERE account_id = $1', [payer, to]);
    await standing('suspended');
    const refused = await until('the suspension to be known', async () => {
      const answer = await ask('/hello', secret);
      return answer.status === 403 ? answer : undefined;
    });
    expect(await refused.json()).toMatchObject({ reason: 'account_suspended' });
    await standing('good');
    await until('it to be good again', async () => (await ask('/hello', secret)).status === 200);
  });

  it('is spent by a key within its budget, and by none that is revoked', async () => {
    // More than can be spent while the revocation spreads.
    const payer = await account(10_000 * PRICE);
    const budgets = [{ asset: ASSET, span: 'day', amount: String(2 * PRICE) }];
    const { id, secret } = await keyOf(payer, { budgets });
    const statuses: number[] = [];
    for (let i = 0; i < 3; i += 1) statuses.push((await ask('/hello', secret)).status);
    expect(statuses).toEqual([200, 200, 402]);
    expect(await available(payer)).toBe(String(9_998 * PRICE));

    const other = await keyOf(payer);
    expect((await ask('/hello', other.secret)).status).toBe(200);
    expect((await house.call(`/v1/accounts/${payer}/keys/${other.id}`, { method: 'DELETE' })).ok).toBe(true);
    // A revocation counts everywhere within five seconds.
    await until('the key to be refused', async () => (await ask('/hello', other.secret)).status === 402);
    const refused = await ask('/hello', other.secret);
    expect(decodePaymentRequiredHeader(refused.headers.get('payment-required') ?? '').error).toBe('revoked_key');
    expect(id).not.toBe(other.id);
  });

  it('is spent by a wallet that signs in, with the public client’s proof, once a proof', async () => {
    const payer = await account(10 * PRICE);
    const wallet = await house.wallet(20, 1n);
    const asked = await api('GET', `/v1/accounts/${payer}/identities/challenge`);
    const link = { ...asked.json.info, ...asked.json.supportedChains[0] };
    const linked = await house.call(`/v1/accounts/${payer}/identities`, {
      method: 'POST',
      headers: { 'sign-in-with-x': encodeSIWxHeader(await createSIWxPayload(link, wallet, link.uri)) },
    });
    expect(linked.status).toBe(201);

    const unpaid = decodePaymentRequiredHeader(
      (await fetch(`${provider}/hello`)).headers.get('payment-required') ?? '',
    );
    const challenge = unpaid.extensions?.['sign-in-with-x'] as { info: CompleteSIWxInfo; supportedChains: object[] };
    const terms = { ...challenge.info, ...challenge.supportedChains[0] };
    const proof = encodeSIWxHeader(await createSIWxPayload(terms, wallet, terms.uri));
    const signedIn = await fetch(`${provider}/hello`, { headers: { 'sign-in-with-x': proof } });
    expect(signedIn.status).toBe(200);
    expect(await available(payer)).toBe(String(9 * PRICE));
    expect((await fetch(`${provider}/hello`, { headers: { 'sign-in-with-x': proof } })).status).toBe(402);
    expect(await available(payer)).toBe(String(9 * PRICE));
  });

  it('never goes below zero, though 64 ask two processes at once', async () => {
    const payer = await account(20 * PRICE);
    const { secret } = await keyOf(payer);
    const second = express();
    second.get(
      '/hello',
      paywall({ gateUrl: house.urls[1] ?? '', key: house.key })({ meter: 'api.calls' }),
      (_, answer) => {
        answer.json({});
      },
    );
    const other = await house.serve(second);
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, i) =>
        fetch(`${i % 2 === 0 ? provider : other}/hello`, { headers: { authorization: `Bearer ${secret}` } }),
      ),
    );
    const paid = answers.filter(({ status }) => status === 200).length;
    expect(answers.filter(({ status }) => status === 402)).toHaveLength(64 - paid);
    expect(paid).toBe(20);
    expect(await available(payer)).toBe('0');
  });

  it('is stated: what was used, and which grant paid it, in one line each', async () => {
    const payer = await account(10 * PRICE);
    const { secret } = await keyOf(payer);
    for (let i = 0; i < 3; i += 1) expect((await ask('/hello', secret)).status).toBe(200);
    const month = new Date().toISOString().slice(0, 7);
    const { status, json } = await api('GET', `/v1/statements/${payer}/${month}`);
    expect(status).toBe(200);
    expect(json.assets).toHaveLength(1);
    expect(json.assets[0]).toMatchObject({
      charges: { atomic: String(3 * PRICE) },
      payments: { atomic: String(3 * PRICE) },
      closing: { atomic: '0' },
      lines: {
        charges: [{ kind: 'paid', calls: 3, quantity: '3', meter: { name: 'api.calls' } }],
        payments: [{ rail: 'prepaid', calls: 3, network: 'farebox:prepaid', amount: { atomic: String(3 * PRICE) } }],
        adjustments: [],
      },
    });
    expect(json.assets[0].lines.payments[0].payment).toMatch(/^grt_/);
  });

  it('leaves books that hold', async () => {
    const checks = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(checks.flatMap(({ faults }) => faults)).toEqual([]);
    expect(checks.length).toBeGreaterThan(15);
  });
});
