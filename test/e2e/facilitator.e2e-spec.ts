import express from 'express';
import { HTTPFacilitatorClient } from '@x402/core/server';
import { ExactEvmScheme } from '@x402/evm/exact/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import { decodePaymentResponseHeader } from '@x402/fetch';
import { agentWith } from '../support/agent.js';
import { House } from '../support/house.js';
import { until } from '../support/until.js';

describe('a stock @x402/express server with Farebox as its facilitator', () => {
  let house: House;
  let provider: string;

  beforeAll(async () => {
    house = await House.build();
    await house.startWorker();
    const app = express();
    const facilitator = new HTTPFacilitatorClient({ url: `${house.url}/x402` });
    const server = new x402ResourceServer(facilitator).register('eip155:84532', new ExactEvmScheme());
    app.use(
      paymentMiddleware(
        {
          'GET /paid': {
            accepts: [
              { scheme: 'exact', network: 'eip155:84532', payTo: house.payTo, price: '$0.001', maxTimeoutSeconds: 300 },
            ],
            description: 'a paid route',
          },
          'GET /stranger': {
            accepts: [
              {
                scheme: 'exact',
                network: 'eip155:84532',
                payTo: '0x00000000000000000000000000000000000000AA',
                price: '$0.001',
                maxTimeoutSeconds: 300,
              },
            ],
            description: 'a payee nobody registered',
          },
        },
        server,
      ),
    );
    app.get('/paid', (_request, response) => {
      response.json({ paid: true });
    });
    app.get('/stranger', (_request, response) => {
      response.json({ paid: true });
    });
    provider = await house.serve(app);
  });

  afterAll(() => house.close());

  it('is told what is supported', async () => {
    const supported: unknown = await (await fetch(`${house.url}/x402/supported`)).json();
    expect(supported).toMatchObject({
      kinds: expect.arrayContaining([
        { x402Version: 2, scheme: 'exact', network: 'eip155:84532' },
        { x402Version: 1, scheme: 'exact', network: 'base-sepolia' },
      ]),
    });
  });

  it('has its payments verified and settled, and they end in the provider’s ledger', async () => {
    const wallet = await house.wallet(10, 1_000_000n);
    const before = await house.usdc.balance(house.payTo);
    const response = await agentWith(wallet, house.chain.url)(`${provider}/paid`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ paid: true });
    const settlement = decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE') ?? '');
    expect(settlement).toMatchObject({ success: true, network: 'eip155:84532' });
    expect((await house.usdc.balance(house.payTo)) - before).toBe(1_000n);
    await house.untilAll('settled');
    const { rows } = await house.owner.query<{ detail: string; amount: string }>(
      "SELECT la.detail, t.amount FROM transfers t JOIN ledger_accounts la ON la.id = t.credit_id WHERE la.code = '4010'",
    );
    expect(rows).toEqual([{ detail: 'facilitator', amount: '1000' }]);
  });

  it('settles nothing for a payee that is no provider’s', async () => {
    const wallet = await house.wallet(11, 1_000_000n);
    const response = await agentWith(wallet, house.chain.url)(`${provider}/stranger`);
    expect(response.status).toBe(402);
    expect(await house.usdc.balance(wallet.address)).toBe(1_000_000n);
  });

  it('answers a repeated settle from the claim and sends nothing twice', async () => {
    const wallet = await house.wallet(12, 1_000_000n);
    const bodies: string[] = [];
    const watched = new HTTPFacilitatorClient({ url: `${house.url}/x402` });
    const settle = watched.settle.bind(watched);
    watched.settle = (payload, requirements) => {
      bodies.push(JSON.stringify({ x402Version: 2, paymentPayload: payload, paymentRequirements: requirements }));
      return settle(payload, requirements);
    };
    const server = new x402ResourceServer(watched).register('eip155:84532', new ExactEvmScheme());
    const app = express();
    app.use(
      paymentMiddleware(
        {
          'GET /paid': {
            accepts: [
              { scheme: 'exact', network: 'eip155:84532', payTo: house.payTo, price: '$0.001', maxTimeoutSeconds: 300 },
            ],
            description: 'x',
          },
        },
        server,
      ),
    );
    app.get('/paid', (_request, response) => {
      response.json({ paid: true });
    });
    const url = await house.serve(app);
    expect((await agentWith(wallet, house.chain.url)(`${url}/paid`)).status).toBe(200);
    const [body = ''] = bodies;
    const post = async (path: string): Promise<unknown> =>
      (
        await fetch(`${house.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      ).json();
    const again = await Promise.all([post('/x402/settle'), post('/x402/settle')]);
    for (const answer of again) expect(answer).toMatchObject({ success: true, network: 'eip155:84532' });
    expect(await post('/x402/verify')).toMatchObject({
      isValid: false,
      invalidReason: 'invalid_exact_evm_nonce_already_used',
    });
    await until(
      'the payments to settle',
      async () => (await house.owner.query("SELECT 1 FROM payments WHERE state <> 'settled'")).rowCount === 0,
    );
    expect(await house.usdc.balance(wallet.address)).toBe(999_000n);
  });
});
