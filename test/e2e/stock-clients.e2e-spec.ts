import { createHash } from 'node:crypto';
import { HTTPFacilitatorClient } from '@x402/core/server';
import { ExactEvmScheme } from '@x402/evm/exact/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import { decodePaymentResponseHeader } from '@x402/fetch';
import express from 'express';
import type { LocalAccount } from 'viem';
import { paywall } from '@farebox/paywall/express';
import { agentV1With, agentWith } from '../support/agent.js';
import { axiosAgentWith } from '../support/axios-agent.js';
import { railOf, verifyBooks } from '../support/books.js';
import { House } from '../support/house.js';

/** What an agent got for its money. */
interface Bought {
  readonly status: number;
  readonly body: unknown;
  /** PAYMENT-RESPONSE, or its counterpart of version 1. */
  readonly settlement: string | undefined;
}

type Buy = (wallet: LocalAccount, rpcUrl: string, url: string, body?: string) => Promise<Bought>;

const withFetch =
  (agent: typeof agentWith, answerHeader: string): Buy =>
  async (wallet, rpcUrl, url, body) => {
    const init = body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'text/plain' }, body };
    const response = await agent(wallet, rpcUrl)(url, init);
    const settlement = response.headers.get(answerHeader) ?? undefined;
    return { status: response.status, body: await response.json(), settlement };
  };

const withAxios: Buy = async (wallet, rpcUrl, url, body) => {
  const agent = axiosAgentWith(wallet, rpcUrl);
  const response =
    body === undefined
      ? await agent.get<unknown>(url)
      : await agent.post<unknown>(url, body, { headers: { 'content-type': 'text/plain' } });
  const settlement: unknown = response.headers['payment-response'];
  return {
    status: response.status,
    body: response.data,
    settlement: typeof settlement === 'string' ? settlement : undefined,
  };
};

const clients: readonly (readonly [string, Buy])[] = [
  ['@x402/fetch', withFetch(agentWith, 'PAYMENT-RESPONSE')],
  ['@x402/fetch of version 1', withFetch(agentV1With, 'X-PAYMENT-RESPONSE')],
  ['@x402/axios', withAxios],
];

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('stock clients', () => {
  let house: House;
  const servers = { express: '', bare: '', facilitated: '' };
  /** What the wallet of each purchase is to have paid in the end. */
  const owed = new Map<LocalAccount, bigint>();

  beforeAll(async () => {
    house = await House.build();
    await house.startWorker();
    const price = paywall({ gateUrl: house.url, key: house.key });

    const app = express();
    app.get('/hello', price({ meter: 'api.calls' }), (_request, response) => {
      response.json({ hello: 'agent' });
    });
    app.post('/digest', price({ meter: 'compute.seconds', quantity: '2.5' }), express.text(), (request, response) => {
      response.json({ digest: sha256(String(request.body)) });
    });
    servers.express = await house.serve(app);

    const [hello, digest] = [price({ meter: 'api.calls' }), price({ meter: 'compute.seconds', quantity: () => '2.5' })];
    servers.bare = await house.serve((request, response) => {
      response.setHeader('content-type', 'application/json');
      if (request.url === '/hello')
        return void hello(request, response, () => response.end(JSON.stringify({ hello: 'agent' })));
      return void digest(request, response, () => {
        const hash = createHash('sha256');
        request.on('data', (chunk: Buffer) => hash.update(chunk));
        request.on('end', () => response.end(JSON.stringify({ digest: hash.digest('hex') })));
      });
    });

    const stock = express();
    const facilitator = new HTTPFacilitatorClient({ url: `${house.url}/x402` });
    const route = {
      accepts: [
        {
          scheme: 'exact',
          network: 'eip155:84532' as const,
          payTo: house.payTo,
          price: '$0.001',
          maxTimeoutSeconds: 300,
        },
      ],
      description: 'a paid route of a stock server',
    };
    stock.use(
      paymentMiddleware(
        { 'GET /hello': route, 'POST /digest': route },
        new x402ResourceServer(facilitator).register('eip155:84532', new ExactEvmScheme()),
      ),
    );
    stock.get('/hello', (_request, response) => {
      response.json({ hello: 'agent' });
    });
    stock.post('/digest', express.text(), (request, response) => {
      response.json({ digest: sha256(String(request.body)) });
    });
    servers.facilitated = await house.serve(stock);
  });

  afterAll(() => house.close());

  const buys = async (buy: Buy, server: string, price: bigint, network = 'eip155:84532'): Promise<void> => {
    const payer = await house.wallet(10 + owed.size, 1_000_000n);
    owed.set(payer, price);
    const answers = [
      await buy(payer, house.chain.url, `${server}/hello`),
      await buy(payer, house.chain.url, `${server}/digest`, 'the body of a job'),
    ];
    expect(answers).toMatchObject([
      { status: 200, body: { hello: 'agent' } },
      { status: 200, body: { digest: sha256('the body of a job') } },
    ]);
    for (const { settlement } of answers) {
      expect(decodePaymentResponseHeader(settlement ?? '')).toMatchObject({
        success: true,
        network,
        payer: expect.stringMatching(new RegExp(payer.address, 'i')),
      });
    }
  };

  describe.each(clients)('%s', (name, buy) => {
    const network = name.endsWith('version 1') ? 'base-sepolia' : 'eip155:84532';

    it('buys from Express behind our paywall', async () => {
      await buys(buy, servers.express, 4_000n + 1_250n, network);
    });

    it('buys from a bare server behind our paywall', async () => {
      await buys(buy, servers.bare, 4_000n + 1_250n, network);
    });
  });

  // The stock server speaks version 2 only.
  describe.each(clients.filter(([name]) => !name.endsWith('version 1')))('%s', (_name, buy) => {
    it('buys from a stock @x402/express server whose facilitator we are', async () => {
      await buys(buy, servers.facilitated, 2_000n);
    });
  });

  it('have paid what they bought and no more, and leave books that prove themselves, the chain included', async () => {
    await house.untilAll('settled');
    for (const [payer, price] of owed) expect(await house.usdc.balance(payer.address)).toBe(1_000_000n - price);
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    expect(findings.find(({ says }) => says.includes('every settled payment has its transfer'))?.counted).toBe(16);
  });
});
