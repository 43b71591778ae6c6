import express from 'express';
import { decodePaymentResponseHeader } from '@x402/fetch';
import { paywall } from '@farebox/paywall/express';
import { agentV1With, agentWith } from '../support/agent.js';
import { railOf, verifyBooks } from '../support/books.js';
import { House } from '../support/house.js';
import { until } from '../support/until.js';

/** An answer of the api that tests look into. */
const object = (value: unknown): Record<string, unknown> => {
  if (typeof value !== 'object' || value === null) throw new Error(`not an object: ${String(value)}`);
  return { ...value };
};

describe('an agent pays for requests with the public client', () => {
  let house: House;
  let provider: string;
  let served = 0;

  beforeAll(async () => {
    house = await House.build();
    await house.startWorker();
    const app = express();
    const price = paywall({ gateUrl: house.url, key: house.key });
    app.get('/hello', price({ meter: 'api.calls' }), (_request, response) => {
      served += 1;
      response.json({ hello: 'agent', served });
    });
    app.get('/broken', price({ meter: 'api.calls' }), (_request, response) => {
      response.status(500).json({ error: 'the handler failed' });
    });
    app.post(
      '/compute',
      price({ meter: 'compute.seconds', quantity: (request) => String(request.headers['x-seconds'] ?? '1') }),
      (_request, response) => {
        response.json({ computed: true });
      },
    );
    provider = await house.serve(app);
  });

  afterAll(() => house.close());

  it('is challenged, pays, is served, and the payment is settled, posted and stated', async () => {
    const wallet = await house.wallet(10, 1_000_000n);
    const before = await house.usdc.balance(house.payTo);
    const agent = agentWith(wallet, house.chain.url);

    const response = await agent(`${provider}/hello`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ hello: 'agent', served: 1 });
    expect(response.headers.get('cache-control')).toContain('no-store');
    const settlement = decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE') ?? '');
    expect(settlement).toMatchObject({ success: true, network: 'eip155:84532', payer: wallet.address.toLowerCase() });
    expect(settlement.transaction).toMatch(/^0x[0-9a-f]{64}$/);

    const computed = await agent(`${provider}/compute`, {
      method: 'POST',
      headers: { 'x-seconds': '2.5', 'content-type': 'application/json' },
      body: '{"job":1}',
    });
    expect(computed.status).toBe(200);

    await house.untilAll('settled');
    expect((await house.usdc.balance(house.payTo)) - before).toBe(4_000n + 1_250n);
    const farebox = object(object(object(settlement).extensions).farebox);
    const status = object(await (await fetch(String(farebox['statusUrl']))).json());
    expect(status).toMatchObject({
      status: 'final',
      charged: '4000',
      meter: 'api.calls',
      transaction: settlement.transaction,
    });

    const account = String(status['account']);
    const month = new Date().toISOString().slice(0, 7);
    const statement = await house.call(`/v1/statements/${account}/${month}.json`);
    expect(statement.status).toBe(200);
    const text = await statement.text();
    expect(text).toContain(settlement.transaction);
    const csv = await (await house.call(`/v1/statements/${account}/${month}.csv`)).text();
    expect(csv).toContain(settlement.transaction);
    expect(csv.split('\r\n').length).toBeGreaterThan(4);
  });

  it('is served over protocol version 1 as well', async () => {
    const wallet = await house.wallet(11, 1_000_000n);
    const response = await agentV1With(wallet, house.chain.url)(`${provider}/hello`);
    expect(response.status).toBe(200);
    const header = response.headers.get('X-PAYMENT-RESPONSE') ?? '';
    expect(JSON.parse(Buffer.from(header, 'base64').toString())).toMatchObject({
      success: true,
      network: 'base-sepolia',
    });
  });

  it('is not charged when the handler fails', async () => {
    const wallet = await house.wallet(12, 1_000_000n);
    const response = await agentWith(wallet, house.chain.url)(`${provider}/broken`);
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ error: 'the handler failed' });
    expect(response.headers.get('PAYMENT-RESPONSE')).toBeNull();
    const { rows } = await house.owner.query<{ state: string; charged: string | null }>(
      'SELECT state, charged FROM payments WHERE payer = $1',
      [wallet.address.toLowerCase()],
    );
    expect(rows).toEqual([{ state: 'voided', charged: null }]);
    await until(
      'the other payments to settle',
      async () =>
        (await house.owner.query("SELECT 1 FROM payments WHERE state NOT IN ('settled', 'voided')")).rowCount === 0,
    );
    expect(await house.usdc.balance(wallet.address)).toBe(1_000_000n);
  });

  it('gets the stored answer when it presents the same payment again, and the handler runs once', async () => {
    const wallet = await house.wallet(13, 1_000_000n);
    let paid: Headers | undefined;
    const recording: typeof fetch = (input, init) => {
      const request = new Request(input, init);
      if (request.headers.has('PAYMENT-SIGNATURE')) paid = new Headers(request.headers);
      return fetch(request);
    };
    const ran = served;
    const first = await agentWith(wallet, house.chain.url, recording)(`${provider}/hello`);
    const answer: unknown = await first.json();
    const again = await fetch(`${provider}/hello`, { headers: new Headers(paid) });
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual(answer);
    expect(served).toBe(ran + 1);
    const elsewhere = await fetch(`${provider}/broken`, { headers: new Headers(paid) });
    expect(elsewhere.status).toBe(402);
  });

  it('leaves books that prove themselves, the chain included', async () => {
    await until(
      'every payment to end',
      async () =>
        (await house.owner.query("SELECT 1 FROM payments WHERE state NOT IN ('settled', 'voided')")).rowCount === 0,
    );
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    expect(findings.map(({ invariant }) => invariant)).toEqual(
      expect.arrayContaining(['L1', 'L2', 'L3', 'L4', 'C1', 'C2', 'C3', 'C4', 'C5', 'C6', 'N1']),
    );
    expect(
      findings.find(({ says }) => says.includes('every settled payment has its transfer'))?.counted,
    ).toBeGreaterThan(3);
  });
});
