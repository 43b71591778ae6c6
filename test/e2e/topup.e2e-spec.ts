import { createHash } from 'node:crypto';
import express from 'express';
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http';
import { createSIWxPayload, encodeSIWxHeader } from '@x402/extensions/sign-in-with-x';
import { mnemonicToAccount } from 'viem/accounts';
import { paywall } from '@farebox/paywall/express';
import { agentV1With, agentWith } from '../support/agent.js';
import { railOf, verifyBooks } from '../support/books.js';
import { House } from '../support/house.js';
import { until } from '../support/until.js';
import { TEST_MNEMONIC } from '../../tools/servers/chain.mjs';
import { rpc } from '../../tools/servers/rpc.mjs';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';

// An agent opens an account and fills it by itself: balance is a resource like any other, priced in x402. Nobody at the provider
// does anything, until balance is to go back: then its treasury signs.

const ASSET = `eip155:84532/erc20:${USDC_ADDRESS.toLowerCase()}`;
const PRICE = 4_000;
const JSON_BODY = { 'content-type': 'application/json' };

type Fetch = typeof globalThis.fetch;
// The shape of an answer is what the tests are about.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Json = any;

describe('balance an agent buys', () => {
  let house: House;
  let shop: string;
  let wallets = 20;

  beforeAll(async () => {
    house = await House.build({ finality: 4, apis: 2 });
    await house.startWorker();
    const app = express();
    const price = paywall({ gateUrl: house.url, key: house.key });
    app.get('/hello', price({ meter: 'api.calls' }), (_request, response) => void response.json({ hello: 'agent' }));
    shop = await house.serve(app);
  });

  afterAll(() => house.close());

  const api = async (method: string, path: string, body?: unknown): Promise<{ status: number; json: Json }> => {
    const answer = await house.call(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: JSON_BODY }),
    });
    return { status: answer.status, json: await answer.json().catch(() => undefined) };
  };
  const wallet = (usdc = 10_000_000n) => house.wallet((wallets += 1), usdc);
  const bodyOf = (terms: object): string => JSON.stringify({ provider: house.provider, ...terms });
  const request = (terms: object, headers: Record<string, string> = {}): RequestInit => ({
    method: 'POST',
    headers: { ...JSON_BODY, ...headers },
    body: bodyOf(terms),
  });
  const post = (terms: object, headers: Record<string, string> = {}, url = house.url): Promise<Response> =>
    fetch(`${url}/v1/topups`, request(terms, headers));
  const statusOf = async (id: string): Promise<Json> => (await fetch(`${house.url}/v1/topups/${id}`)).json();
  const credited = (id: string) =>
    until(
      'the balance to be there',
      async () => {
        const topUp = await statusOf(id);
        return topUp.status === 'credited' && topUp;
      },
      undefined,
      50_000,
    );
  const keyOf = async (account: string): Promise<string> =>
    (await api('POST', `/v1/accounts/${account}/keys`, { name: 'agent' })).json.secret;
  const balanceOf = async (key: string): Promise<Json> =>
    (await fetch(`${house.url}/v1/agent/balance`, { headers: { authorization: `Bearer ${key}` } })).json();
  const count = async (sql: string, ...values: unknown[]): Promise<number> =>
    (await house.owner.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${sql}`, values)).rows[0]?.n ?? -1;

  /** A payment as the public client signs it for a request, which is not sent. */
  const signedFor = async (terms: object, payer?: Awaited<ReturnType<typeof wallet>>): Promise<string> => {
    let header: string | undefined;
    const kept: Fetch = async (input, init) => {
      const asked = new Request(input, init);
      header = asked.headers.get('payment-signature') ?? undefined;
      return header === undefined ? fetch(asked) : new Response('{}', { status: 200 });
    };
    await agentWith(payer ?? (await wallet()), house.chain.url, kept)(`${house.url}/v1/topups`, request(terms));
    if (header === undefined) throw new Error('the client paid nothing');
    return header;
  };

  it('is paid for by the public client, is there after finality, and is spent by a key', async () => {
    const payer = await wallet();
    const response = await agentWith(payer, house.chain.url)(`${house.url}/v1/topups`, request({ amount: '50000' }));
    expect(response.status).toBe(201);
    expect(decodePaymentResponseHeader(response.headers.get('payment-response') ?? '')).toMatchObject({
      success: true,
      network: 'eip155:84532',
      payer: payer.address.toLowerCase(),
      amount: '50000',
    });
    const { topUp } = (await response.json()) as { topUp: Json };
    expect(topUp).toMatchObject({ amount: '50000', asset: ASSET, provider: house.provider, status: 'confirmed' });
    const secret = await keyOf(topUp.account);
    expect(await balanceOf(secret)).toMatchObject({ account: topUp.account, balances: [], wanted: [] });

    const { grant } = await credited(topUp.id);
    const { rows } = await house.owner.query<{ after: boolean }>(
      'SELECT g.created_at >= p.settled_at AS after FROM grants g, payments p WHERE g.id = $1 AND p.id = $2',
      [grant, topUp.payment],
    );
    expect(rows).toEqual([{ after: true }]);
    expect(await balanceOf(secret)).toMatchObject({
      balances: [{ asset: ASSET, balance: '50000', held: '0', available: '50000' }],
      topUp: { provider: house.provider, account: topUp.account },
    });
    const used = await fetch(`${shop}/hello`, { headers: { authorization: `Bearer ${secret}` } });
    expect([used.status, await used.json()]).toEqual([200, { hello: 'agent' }]);
    expect((await balanceOf(secret)).balances[0].available).toBe(String(50_000 - PRICE));
  });

  it('is paid for by a client of protocol version 1', async () => {
    const agent = agentV1With(await wallet(), house.chain.url);
    const response = await agent(`${house.url}/v1/topups`, request({ amount: '30000' }));
    expect(response.status).toBe(201);
    await credited(((await response.json()) as Json).topUp.id);
  });

  it('is bought once by one payment, however often and wherever it is presented', async () => {
    const terms = { amount: '20000' };
    const header = await signedFor(terms);
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        post(terms, { 'payment-signature': header }, house.urls[i % house.urls.length]),
      ),
    );
    const told = await Promise.all(answers.map(async (answer) => ((await answer.json()) as Json).topUp?.id));
    expect(new Set(told).size).toBe(1);
    await credited(told[0]);
    const later = await post(terms, { 'payment-signature': header });
    expect(later.status).toBe(201);
    expect(((await later.json()) as Json).topUp).toMatchObject({ id: told[0], status: 'credited' });
    expect(await count('grants WHERE funding = $1', told[0])).toBe(1);
  });

  it('is bought once under one name its payer gives it, though it signs anew', async () => {
    const payer = await wallet();
    const named = async (amount: string): Promise<string> => {
      const payment: Json = JSON.parse(Buffer.from(await signedFor({ amount }, payer), 'base64').toString());
      const extensions = { 'payment-identifier': { info: { required: false, id: 'order-of-balance-1' } } };
      return Buffer.from(JSON.stringify({ ...payment, extensions })).toString('base64');
    };
    const headers = [await named('10000'), await named('10000')];
    expect(headers[0]).not.toBe(headers[1]);
    const told: string[] = [];
    for (const header of headers) {
      const answer = await post({ amount: '10000' }, { 'payment-signature': header });
      told.push(((await answer.json()) as Json).topUp.id);
    }
    expect(told[0]).toBe(told[1]);
    await credited(told[0] ?? '');
    const other = await post({ amount: '10001' }, { 'payment-signature': await named('10001') });
    expect([other.status, ((await other.json()) as Json).reason]).toEqual([409, 'payment_identifier_taken']);
    expect(await count('payments WHERE payer = $1', payer.address.toLowerCase())).toBe(1);
  });

  it('is what was signed for, for whom it was signed for: any other body gets nothing', async () => {
    const payer = await wallet();
    const victim = (await api('POST', '/v1/accounts', {})).json.id;
    const victimKey = await keyOf(victim);
    const thief = (await api('POST', '/v1/accounts', {})).json.id;
    const thiefKey = await keyOf(thief);
    const terms = { amount: '40000', account: victim };
    const own = { authorization: `Bearer ${victimKey}` };
    let header = '';
    const kept: Fetch = async (input, init) => {
      const asked = new Request(input, init);
      header = asked.headers.get('payment-signature') ?? '';
      return header === '' ? fetch(asked) : new Response('{}');
    };
    await agentWith(payer, house.chain.url, kept)(`${house.url}/v1/topups`, request(terms, own));
    const before = await count('topups');
    const paid = { 'payment-signature': header };
    const stolen = { ...paid, authorization: `Bearer ${thiefKey}` };
    const refusals = [
      await post({ ...terms, account: thief }, stolen),
      await post({ amount: '40000' }, paid),
      await post({ ...terms, amount: '4000000' }, { ...paid, ...own }),
      await post({ ...terms, provider: `prv_${'0'.repeat(32)}` }, { ...paid, ...own }),
      await fetch(`${house.url}/v1/topups`, {
        ...request(terms, { ...paid, ...own }),
        body: `${bodyOf(terms)} `,
      }),
    ];
    expect(refusals.map(({ status }) => status)).toEqual([402, 402, 402, 404, 402]);
    for (const refused of refusals.filter(({ status }) => status === 402)) {
      const { error } = decodePaymentRequiredHeader(refused.headers.get('payment-required') ?? '');
      expect(error).toBe('quote_is_for_another_request');
    }
    // The account named in what was signed shows itself, or nothing is taken.
    expect((await post(terms, paid)).status).toBe(401);
    expect((await post(terms, stolen)).status).toBe(403);
    // An offer of balance is none of a call, though the very same request is asked about.
    const bodyDigest = createHash('sha256').update(bodyOf(terms)).digest('hex');
    const asked = { method: 'POST', url: `${house.url}/v1/topups`, bodyDigest, meter: 'api.calls' };
    const gate = await api('POST', '/v1/gate/check', { ...asked, paymentSignature: header });
    expect(gate.json.decision).toBe('pay');
    expect(await count('topups')).toBe(before);
    expect(await count('payments WHERE payer = $1', payer.address.toLowerCase())).toBe(0);

    const bought = await post(terms, { ...paid, ...own });
    const { topUp } = (await bought.json()) as Json;
    expect([bought.status, topUp.account]).toEqual([201, victim]);
    // Once it has paid, it pays for nothing else, and its own repeat needs no proof any more.
    expect((await post({ amount: '40000' }, paid)).status).toBe(402);
    expect(((await (await post(terms, paid)).json()) as Json).topUp.id).toBe(topUp.id);
    await credited(topUp.id);
    expect((await balanceOf(victimKey)).balances[0].available).toBe('40000');
    expect((await balanceOf(thiefKey)).balances).toEqual([]);
  });

  it('is for the account that signs in, and one proof serves the request and its payment', async () => {
    const owner = await wallet();
    const walkUp = await agentWith(owner, house.chain.url)(`${shop}/hello`);
    expect(walkUp.status).toBe(200);
    const { account } = (
      await house.owner.query<{ account: string }>('SELECT account_id AS account FROM identities WHERE subject = $1', [
        owner.address.toLowerCase(),
      ])
    ).rows[0] ?? { account: '' };
    const unpaid = await post({ amount: '10000' });
    const { extensions } = decodePaymentRequiredHeader(unpaid.headers.get('payment-required') ?? '');
    const challenge = extensions?.['sign-in-with-x'] as { info: Json; supportedChains: Json[] };
    const terms = { ...challenge.info, ...challenge.supportedChains[0] };
    const proof = encodeSIWxHeader(await createSIWxPayload(terms, owner, terms.uri));
    const friend = agentWith(await wallet(), house.chain.url);
    const bought = await friend(
      `${house.url}/v1/topups`,
      request({ amount: '10000', account }, { 'sign-in-with-x': proof }),
    );
    const { topUp } = (await bought.json()) as Json;
    expect([bought.status, topUp.account]).toEqual([201, account]);
    // For another request the proof is used up.
    expect((await post({ amount: '10001', account }, { 'sign-in-with-x': proof })).status).toBe(401);
    await credited(topUp.id);
  });

  it('is sold within the provider’s bounds, and what a call lacks says where to buy it', async () => {
    for (const amount of ['1', '1000000001']) {
      const refused = await post({ amount });
      expect([refused.status, ((await refused.json()) as Json).reason]).toEqual([400, 'amount_out_of_range']);
    }
    const { id } = (await api('POST', '/v1/accounts', {})).json;
    const short = await fetch(`${shop}/hello`, { headers: { authorization: `Bearer ${await keyOf(id)}` } });
    const challenge = decodePaymentRequiredHeader(short.headers.get('payment-required') ?? '');
    expect(challenge.error).toBe('insufficient_balance');
    expect(challenge.extensions?.['farebox']).toMatchObject({
      info: { topUp: { url: `${house.url}/v1/topups`, provider: house.provider, account: id } },
    });
  });

  it('is there at once within the cap a provider sets, and shows so', async () => {
    const set = { least: '1000', most: '1000000', provisionalCreditCap: '60000' };
    expect(await api('PUT', '/v1/provider/topups', set)).toEqual({ status: 200, json: set });
    const payer = await wallet();
    const agent = agentWith(payer, house.chain.url);
    const buy = async (): Promise<Json> =>
      ((await (await agent(`${house.url}/v1/topups`, request({ amount: '50000' }))).json()) as Json).topUp;
    let bought: string[] = [];
    // Blocks come by hand: what is seen now is seen before finality.
    await rpc(house.chain.url, 'evm_setIntervalMining', 0);
    try {
      const buying = [buy(), buy()];
      const sent = 'payments WHERE payer = $1 AND submitted_at IS NOT NULL';
      await until('both to be sent', async () => (await count(sent, payer.address.toLowerCase())) === 2);
      await rpc(house.chain.url, 'evm_mine');
      bought = (await Promise.all(buying)).map(({ id }): string => id);
      const seen = await until('one of them to be there', async () => {
        const now = await Promise.all(bought.map(async (id): Promise<string> => (await statusOf(id)).status));
        return now.includes('provisional') && !now.includes('pending') && now.sort();
      });
      expect(seen).toEqual(['confirmed', 'provisional']);
    } finally {
      await rpc(house.chain.url, 'evm_setIntervalMining', 1);
    }
    for (const id of bought) await credited(id);
    const { rows } = await house.owner.query<{ early: boolean }>(
      `SELECT g.created_at < p.settled_at AS early FROM topups t JOIN grants g ON g.id = t.grant_id JOIN payments p ON p.id = t.payment_id
       WHERE t.id = ANY ($1) ORDER BY early`,
      [bought],
    );
    expect(rows).toContainEqual({ early: true });
    await api('PUT', '/v1/provider/topups', { least: '1000', most: '1000000000' });
  });

  it.each(['topups.before-credit', 'topups.credited'])(
    'is given once though workers die at %s',
    async (place) => {
      for (const child of house.processes) await house.stop(child);
      const header = await signedFor({ amount: '15000' });
      const dying = await house.startWorker({ CRASH_AT: place });
      const bought = await post({ amount: '15000' }, { 'payment-signature': header });
      const { topUp } = (await bought.json()) as Json;
      await until('the worker to die', async () => dying.signalCode === 'SIGKILL');
      expect((await statusOf(topUp.id)).status).toBe('confirmed');
      await Promise.all([house.startWorker(), house.startWorker()]);
      await credited(topUp.id);
      expect(await count('grants WHERE funding = $1', topUp.id)).toBe(1);
    },
    60_000,
  );

  it('is wanted by an account that fills itself up, until somebody pays for it', async () => {
    const agent = agentWith(await wallet(), house.chain.url);
    const first = ((await (await agent(`${house.url}/v1/topups`, request({ amount: '10000' }))).json()) as Json).topUp;
    const secret = await keyOf(first.account);
    await credited(first.id);
    await api('PUT', `/v1/accounts/${first.account}/auto-topup`, { threshold: '9000', fixed: '25000' });
    const used = await fetch(`${shop}/hello`, { headers: { authorization: `Bearer ${secret}` } });
    expect(used.status).toBe(200);
    expect((await balanceOf(secret)).wanted).toEqual([{ asset: ASSET, amount: '25000', status: 'wanted' }]);
    const more = ((await (await agent(`${house.url}/v1/topups`, request({ amount: '25000' }))).json()) as Json).topUp;
    await credited(more.id);
    expect(await balanceOf(secret)).toMatchObject({ wanted: [], balances: [{ available: '31000' }] });
  });

  it('goes back on the chain, signed for by the treasury alone: what is in its wallet is what the books say', async () => {
    const payer = await wallet(1_000_000n);
    const agent = agentWith(payer, house.chain.url);
    const { topUp } = (await (await agent(`${house.url}/v1/topups`, request({ amount: '80000' }))).json()) as Json;
    const { grant } = await credited(topUp.id);
    const secret = await keyOf(topUp.account);
    expect((await fetch(`${shop}/hello`, { headers: { authorization: `Bearer ${secret}` } })).status).toBe(200);
    const owed = await api('POST', `/v1/grants/${grant}/refund`, {});
    expect([owed.status, owed.json.cash]).toEqual([201, String(80_000 - PRICE)]);
    const { json: refund } = await api('GET', `/v1/refunds/${owed.json.id}`);
    expect(refund).toMatchObject({ state: 'owed', to: payer.address.toLowerCase(), cash: String(80_000 - PRICE) });
    const { typedData } = refund;
    const { validBefore } = typedData.message;
    const treasury = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: 9 });
    const path = `/v1/refunds/${refund.id}/authorization`;
    const forged = await api('POST', path, { validBefore, signature: await payer.signTypedData(typedData) });
    expect([forged.status, forged.json.reason]).toEqual([400, 'invalid_signature']);
    const signature = await treasury.signTypedData(typedData);
    const sent = await api('POST', path, { validBefore, signature });
    expect([sent.status, sent.json.state]).toEqual([202, 'sending']);
    const paid = await until('the refund to be paid', async () => {
      const { json } = await api('GET', `/v1/refunds/${refund.id}`);
      return json.state === 'paid' && json;
    });
    expect(paid.transaction).toMatch(/^0x[0-9a-f]{64}$/);
    expect((await api('POST', path, { validBefore, signature })).json.state).toBe('paid');
    expect((await api('GET', '/v1/refunds?state=paid')).json.data.map(({ id }: Json) => id)).toEqual([refund.id]);
    expect(await house.usdc.balance(payer.address)).toBe(1_000_000n - BigInt(PRICE));
  });

  it('leaves books that hold, and a treasury that has what they say', async () => {
    await until(
      'all payments to end',
      async () => (await count("payments WHERE state NOT IN ('settled', 'voided')")) === 0,
    );
    const checks = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(checks.flatMap(({ faults }) => faults)).toEqual([]);
    const { rows } = await house.owner.query<{ booked: string }>(
      `SELECT sum(CASE WHEN t.debit_id = a.id THEN t.amount ELSE -t.amount END)::text AS booked
       FROM ledger_accounts a JOIN transfers t ON a.id IN (t.debit_id, t.credit_id) WHERE a.code = '1020'`,
    );
    expect(BigInt(rows[0]?.booked ?? '0')).toBe(await house.usdc.balance(house.payTo));
  });

  it('and checks that notice when they do not', async () => {
    await house.owner.query("UPDATE topups SET lost = 1 WHERE state = 'credited'");
    await house.owner.query('ALTER TABLE topups DISABLE TRIGGER legal_transition');
    await house.owner.query("UPDATE topups SET state = 'failed'");
    await house.owner.query("UPDATE refunds SET state = 'owed'");
    const checks = await verifyBooks(house.db.auditUrl, railOf(house.config));
    const broken = checks.filter(({ faults }) => faults.length > 0).map(({ invariant }) => invariant);
    expect(broken.sort()).toEqual(['T1', 'T2', 'T3']);
  });
});
