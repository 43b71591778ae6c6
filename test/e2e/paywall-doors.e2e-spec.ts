import 'reflect-metadata';
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Body, Controller, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client';
import { toClientEvmSigner } from '@x402/evm';
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http';
import { wrapFetchWithPayment, x402Client } from '@x402/fetch';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { createPublicClient, http, type LocalAccount } from 'viem';
import { baseSepolia } from 'viem/chains';
import { paywall as expressPaywall } from '@farebox/paywall/express';
import { paywall as fastifyPaywall } from '@farebox/paywall/fastify';
import { paywall as fetchPaywall } from '@farebox/paywall/fetch';
import { paywall as honoPaywall } from '@farebox/paywall/hono';
import { FareboxPaywallModule, Price } from '@farebox/paywall/nest';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { agentWith } from '../support/agent.js';
import { railOf, verifyBooks } from '../support/books.js';
import { House } from '../support/house.js';
import { relayerKey } from '../support/settlement-scene.js';

// One priced route behind every door, before the real gate, bought in every way there is to pay.

const ASSET = `eip155:84532/erc20:${USDC_ADDRESS.toLowerCase()}`;
const CALL = 4_000n;
const PRICE = { meter: 'api.calls', description: 'The digest of a word' } as const;

interface Gate {
  readonly gateUrl: string;
  readonly key: string;
}
interface Job {
  readonly word: string;
}
type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const digestOf = ({ word }: Job): { digest: string } => ({ digest: createHash('sha256').update(word).digest('hex') });

function expressDoor(gate: Gate): Handler {
  const app = express();
  app.post('/digest', expressPaywall(gate)(PRICE), express.json(), (request, response) => {
    response.json(digestOf(request.body as Job));
  });
  return app;
}

function bareDoor(gate: Gate): Handler {
  const price = expressPaywall(gate)(PRICE);
  return (request, response) =>
    void price(request, response, async () => {
      const body: Buffer[] = [];
      for await (const part of request) body.push(part as Buffer);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(digestOf(JSON.parse(Buffer.concat(body).toString()) as Job)));
    });
}

async function fastifyDoor(gate: Gate): Promise<Handler> {
  const app = Fastify();
  app.post<{ Body: Job }>('/digest', { ...fastifyPaywall(gate)(PRICE) }, async (request) => digestOf(request.body));
  await app.ready();
  return (request, response) => app.routing(request, response);
}

function honoDoor(gate: Gate): Handler {
  const app = new Hono();
  app.post('/digest', honoPaywall(gate)(PRICE), async (c) => c.json(digestOf(await c.req.json<Job>())));
  const listener = getRequestListener(app.fetch);
  return (request, response) => void listener(request, response);
}

function fetchDoor(gate: Gate): Handler {
  const sell = fetchPaywall(gate)(PRICE);
  const listener = getRequestListener(sell(async (request) => Response.json(digestOf((await request.json()) as Job))));
  return (request, response) => void listener(request, response);
}

@Controller('digest')
class DigestController {
  @Post()
  @HttpCode(200)
  @Price(PRICE)
  digest(@Body() job: Job): { digest: string } {
    return digestOf(job);
  }
}

async function nestDoor(gate: Gate): Promise<Handler> {
  @Module({ imports: [FareboxPaywallModule.forRoot(gate)], controllers: [DigestController] })
  class ShopModule {}
  const app = await NestFactory.create<NestFastifyApplication>(ShopModule, new FastifyAdapter(), {
    rawBody: true,
    logger: false,
  });
  await app.init();
  const fastify = app.getHttpAdapter().getInstance();
  await fastify.ready();
  return (request, response) => fastify.routing(request, response);
}

const DOORS = {
  express: expressDoor,
  nest: nestDoor,
  fastify: fastifyDoor,
  hono: honoDoor,
  fetch: fetchDoor,
  bare: bareDoor,
} as const;
type Door = keyof typeof DOORS;
const NAMES: readonly Door[] = ['express', 'nest', 'fastify', 'hono', 'fetch', 'bare'];

describe('a priced route', () => {
  let house: House;
  let prepaid: { account: string; headers: Record<string, string> };
  const shops = new Map<string, string>();
  const wallets = new Map<LocalAccount, bigint>();
  /** Payments by id, as the agents were told. */
  const bought: string[] = [];

  beforeAll(async () => {
    house = await House.build({
      config: { CHANNEL_AUTHORIZER_KEY: relayerKey(7), CHANNEL_WITHDRAW_DELAY: '900', CLAIM_AFTER_SECONDS: '2' },
    });
    await house.startWorker();
    const gate = { gateUrl: house.url, key: house.key };
    for (const name of NAMES) shops.set(name, await house.serve(await DOORS[name](gate)));
    const { id: account = '' } = await post('/v1/accounts', {});
    await post(`/v1/accounts/${account}/grants`, { asset: ASSET, kind: 'goodwill', amount: '1000000' });
    const { secret = '' } = await post(`/v1/accounts/${account}/keys`, { name: 'agent' });
    prepaid = { account, headers: { authorization: `Bearer ${secret}` } };
  });

  afterAll(() => house.close());

  const post = async (path: string, body: object): Promise<Readonly<Record<string, string>>> => {
    const headers = { 'content-type': 'application/json' };
    const answer = await house.call(path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as Readonly<Record<string, string>>;
  };

  const shop = (door: Door): string => `${shops.get(door) ?? ''}/digest`;
  const job = (word: string, headers: Record<string, string> = {}): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ word }),
  });

  /** The settlement that an answer tells of, once the answer is the right one. */
  const served = async (answer: Response, word: string) => {
    expect([answer.status, await answer.json()]).toEqual([200, digestOf({ word })]);
    const settlement = decodePaymentResponseHeader(answer.headers.get('payment-response') ?? '');
    const { farebox } = settlement.extensions as { farebox: { paymentId?: string; statusUrl: string } };
    bought.push(farebox.statusUrl.split('/').at(-1) ?? '');
    return settlement;
  };

  const walletWith = async (paying: bigint): Promise<LocalAccount> => {
    const wallet = await house.wallet(10 + wallets.size, 1_000_000n);
    wallets.set(wallet, paying);
    return wallet;
  };

  describe.each(NAMES)('behind %s', (door) => {
    it('is bought by a transfer, for this body and no other, and given once more for it', async () => {
      const wallet = await walletWith(CALL);
      const signed: string[] = [];
      const watching: typeof fetch = async (input, init) => {
        const request = new Request(input, init);
        const payment = request.headers.get('payment-signature');
        if (payment !== null) signed.push(payment);
        return fetch(request);
      };
      const agent = agentWith(wallet, house.chain.url, watching);
      expect(await served(await agent(shop(door), job('exact')), 'exact')).toMatchObject({
        success: true,
        network: 'eip155:84532',
        payer: expect.stringMatching(new RegExp(wallet.address, 'i')) as string,
      });
      expect(signed).toHaveLength(1);
      const payment = { 'payment-signature': signed[0] ?? '' };
      const other = await fetch(shop(door), job('another body', payment));
      expect(other.status).toBe(402);
      expect(await other.text()).not.toContain(digestOf({ word: 'another body' }).digest);
      expect(decodePaymentRequiredHeader(other.headers.get('payment-required') ?? '').error).toBe(
        'quote_is_for_another_request',
      );
      const again = await fetch(shop(door), job('exact', payment));
      expect([again.status, await again.json()]).toEqual([200, digestOf({ word: 'exact' })]);
    });

    it('is bought by a key from a balance', async () => {
      const settlement = await served(await fetch(shop(door), job('prepaid', prepaid.headers)), 'prepaid');
      expect(settlement).toMatchObject({ success: true, network: 'farebox:prepaid', amount: CALL.toString() });
    });

    it('is bought by the vouchers of a channel', async () => {
      const agent = channelAgent(await walletWith(10n * CALL), house.chain.url);
      for (const [word, charged] of [
        ['one', CALL],
        ['two', 2n * CALL],
      ] as const) {
        expect(await served(await agent(shop(door), job(word)), word)).toMatchObject({
          success: true,
          extra: { chargedAmount: CALL.toString(), channelState: { chargedCumulativeAmount: charged.toString() } },
        });
      }
    });

    it('tells a browser how to pay', async () => {
      const headers = { accept: 'text/html,application/xhtml+xml', 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)' };
      const page = await fetch(shop(door), job('page', headers));
      expect([page.status, page.headers.get('content-type')]).toEqual([402, 'text/html; charset=utf-8']);
      expect(await page.text()).toContain('The digest of a word');
      const challenge = decodePaymentRequiredHeader(page.headers.get('payment-required') ?? '');
      expect(challenge.accepts.map(({ scheme }) => scheme)).toEqual(['batch-settlement', 'exact']);
    });
  });

  it('was paid for once each, by the ledger and by the chain', async () => {
    await house.untilAll('settled');
    expect(new Set(bought).size).toBe(4 * NAMES.length);
    const { rows } = await house.owner.query<{ reference: string; entries: number; amount: string }>(
      `SELECT t.reference, count(*)::int AS entries, sum(t.amount)::text AS amount FROM transfers t
         JOIN ledger_accounts c ON c.id = t.credit_id WHERE c.code = '4010' GROUP BY t.reference`,
    );
    const byReference = (a: { reference: string }, b: { reference: string }): number =>
      a.reference < b.reference ? -1 : 1;
    expect([...rows].sort(byReference)).toEqual(
      bought.map((reference) => ({ reference, entries: 1, amount: CALL.toString() })).sort(byReference),
    );
    for (const [wallet, paid] of wallets) expect(await house.usdc.balance(wallet.address)).toBe(1_000_000n - paid);
    expect(await house.read(`/v1/accounts/${prepaid.account}/wallet`)).toMatchObject({
      balances: [{ available: (1_000_000n - BigInt(NAMES.length) * CALL).toString() }],
    });
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  });
});

/** The public client of channels, unmodified, with a wallet. */
function channelAgent(account: LocalAccount, rpcUrl: string): typeof fetch {
  const signer = toClientEvmSigner(account, createPublicClient({ chain: baseSepolia, transport: http(rpcUrl) }));
  return wrapFetchWithPayment(fetch, new x402Client().register('eip155:84532', new BatchSettlementEvmScheme(signer)));
}
