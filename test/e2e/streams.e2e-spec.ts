import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client';
import { toClientEvmSigner } from '@x402/evm';
import { wrapFetchWithPayment, x402Client } from '@x402/fetch';
import { createPublicClient, http, type LocalAccount } from 'viem';
import { baseSepolia } from 'viem/chains';
import { freePort } from '../../tools/servers/ports.mjs';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { agentWith } from '../support/agent.js';
import { railOf, verifyBooks } from '../support/books.js';
import { House } from '../support/house.js';
import { relayerKey } from '../support/settlement-scene.js';
import { expressShop, fastifyShop, honoShop, partsTo, STOPPED } from '../support/streaming-shop.js';
import { until } from '../support/until.js';

// Answers that are sold while they are made, through every door that streams, against the real gate: what was used is charged, whoever
// hangs up, whatever runs out, and whoever dies.

const ASSET = `eip155:84532/erc20:${USDC_ADDRESS.toLowerCase()}`;
/** Atomic units of a part. */
const PART = 500n;
const DOORS = ['express', 'fastify', 'hono'] as const;

interface Hold {
  readonly id: string;
  readonly state: string;
  readonly quantity: string;
  readonly used: string;
  readonly captured: string | null;
  readonly captured_quantity: string | null;
}

describe('a stream', () => {
  let house: House;
  const shops = new Map<string, string>();
  let wallets = 10;

  beforeAll(async () => {
    house = await House.build({
      config: { CHANNEL_AUTHORIZER_KEY: relayerKey(7), CHANNEL_WITHDRAW_DELAY: '900', CLAIM_AFTER_SECONDS: '2' },
    });
    await house.startWorker();
    const gate = { gateUrl: house.url, key: house.key };
    shops.set('express', await house.serve(expressShop(gate)));
    shops.set('fastify', await house.serve(await fastifyShop(gate)));
    shops.set('hono', await house.serve(honoShop(gate)));
  });

  afterAll(() => house.close());

  const post = async (path: string, body: object): Promise<Readonly<Record<string, string>>> => {
    const headers = { 'content-type': 'application/json' };
    const answer = await house.call(path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as Readonly<Record<string, string>>;
  };

  /** An agent with a balance that lasts for so many parts, and half of one. */
  const agentFor = async (parts: bigint) => {
    const { id: account = '' } = await post('/v1/accounts', {});
    const balance = parts * PART + PART / 2n;
    await post(`/v1/accounts/${account}/grants`, { asset: ASSET, kind: 'goodwill', amount: balance.toString() });
    const { secret = '' } = await post(`/v1/accounts/${account}/keys`, { name: 'agent' });
    return { account, balance, headers: { authorization: `Bearer ${secret}` } };
  };
  type Agent = Awaited<ReturnType<typeof agentFor>>;

  const leftOf = async ({ account }: Agent): Promise<{ available: bigint; held: bigint }> => {
    const wallet = (await house.read(`/v1/accounts/${account}/wallet`)) as {
      balances: readonly { available: string; held: string }[];
    };
    const [balance] = wallet.balances;
    return { available: BigInt(balance?.available ?? -1), held: BigInt(balance?.held ?? -1) };
  };

  const holdOf = async ({ account }: Agent): Promise<Hold | undefined> => {
    const { rows } = await house.owner.query<Hold>(
      `SELECT id, state, quantity::text, used::text, captured::text, captured_quantity::text FROM holds WHERE account_id = $1`,
      [account],
    );
    return rows[0];
  };

  const ended = (agent: Agent): Promise<Hold> =>
    until('the stream to be charged', async () => {
      const hold = await holdOf(agent);
      return hold?.state === 'held' ? undefined : hold;
    });

  const streamOf = (door: string, query: string): string => `${shops.get(door) ?? ''}/stream?${query}`;

  /** Reads until so many parts have come. */
  const reading = async (url: string, headers: Record<string, string>, parts: number) => {
    const hangUp = new AbortController();
    const answer = await fetch(url, { headers, signal: hangUp.signal });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (text.length < partsTo(parts).length) {
      const next = await reader?.read();
      if (next?.value === undefined) break;
      text += next.value;
    }
    expect(text).toBe(partsTo(parts));
    return { answer, hangUp: () => hangUp.abort() };
  };

  describe.each(DOORS)('behind /%s', (door) => {
    it('charges a balance what was used, covered part by part', async () => {
      const agent = await agentFor(80n);
      const headers = { ...agent.headers, 'idempotency-key': 'one-stream' };
      const answer = await fetch(streamOf(door, 'parts=50'), { headers });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe(partsTo(50));
      const hold = await ended(agent);
      expect(answer.headers.get('x-farebox-payment')).toBe(hold.id);
      expect(hold).toMatchObject({ state: 'captured', captured: '25000', captured_quantity: '50' });
      // The first ten were checked; the rest was asked for ten at a time.
      expect(Number(hold.quantity)).toBeGreaterThanOrEqual(50);
      expect(BigInt(hold.used)).toBeGreaterThan(10n * PART);
      // It is not kept, and neither served nor charged again.
      expect((await fetch(streamOf(door, 'parts=50'), { headers })).status).toBe(410);
      expect(await leftOf(agent)).toEqual({ available: agent.balance - 50n * PART, held: 0n });
    });

    it('stops where the balance ends, and charges what was covered', async () => {
      const agent = await agentFor(24n);
      const answer = await fetch(streamOf(door, 'parts=50'), { headers: agent.headers });
      expect(await answer.text()).toBe(`${partsTo(20)}${STOPPED}`);
      expect(await ended(agent)).toMatchObject({ state: 'captured', captured: '10000', captured_quantity: '20' });
      expect(await leftOf(agent)).toEqual({ available: agent.balance - 20n * PART, held: 0n });
    });

    it('charges what was used when the agent hangs up', async () => {
      const agent = await agentFor(80n);
      const { hangUp } = await reading(streamOf(door, 'parts=50&pause=17'), agent.headers, 17);
      hangUp();
      expect(await ended(agent)).toMatchObject({ state: 'captured', captured: '8500', captured_quantity: '17' });
      expect(await leftOf(agent)).toEqual({ available: agent.balance - 17n * PART, held: 0n });
    });

    it('ends at what an exact payment was signed for', async () => {
      const wallet = await house.wallet((wallets += 1), 1_000_000n);
      const answer = await agentWith(wallet, house.chain.url)(streamOf(door, 'parts=50'));
      expect(await answer.text()).toBe(`${partsTo(10)}${STOPPED}`);
      const id = answer.headers.get('x-farebox-payment') ?? '';
      expect(id).toMatch(/^pay_/);
      await until('the payment to be settled', async () => {
        const { rows } = await house.owner.query('SELECT 1 FROM payments WHERE id = $1 AND state = $2', [
          id,
          'settled',
        ]);
        return rows.length === 1;
      });
      expect(await house.usdc.balance(wallet.address)).toBe(1_000_000n - 10n * PART);
    });

    it('ends at what a voucher was signed for, and charges less when less was used', async () => {
      const wallet = await house.wallet((wallets += 1), 1_000_000n);
      const agent = channelAgent(wallet, house.chain.url);
      expect(await (await agent(streamOf(door, 'parts=50'))).text()).toBe(`${partsTo(10)}${STOPPED}`);
      const charged = async (total: bigint): Promise<void> => {
        await until(`${total} to be charged on the channel`, async () => {
          const { rows } = await house.owner.query<{ charged: string }>(
            'SELECT charged::text FROM channels WHERE payer = $1',
            [wallet.address.toLowerCase()],
          );
          return rows[0]?.charged === total.toString();
        });
      };
      await charged(10n * PART);
      expect(await (await agent(streamOf(door, 'parts=4'))).text()).toBe(partsTo(4));
      await charged(14n * PART);
      // The stream left no receipt: what its client believes is corrected, and it goes on.
      expect(await (await agent(streamOf(door, 'parts=3'))).text()).toBe(partsTo(3));
      await charged(17n * PART);
    });
  });

  it('charges what was reported, when the provider dies', async () => {
    const agent = await agentFor(80n);
    const port = await freePort();
    const shop = `http://127.0.0.1:${port}`;
    const script = join(process.cwd(), 'test/support/streaming-provider.ts');
    const provider = spawn(
      process.execPath,
      ['--import', join(process.cwd(), 'tools/register-typescript.mjs'), script],
      {
        env: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          GATE_URL: house.url,
          GATE_KEY: house.key,
          SHOP_PORT: String(port),
        },
        stdio: ['ignore', 'inherit', 'inherit'],
      },
    );
    house.processes.add(provider);
    await until('the provider to listen', () =>
      fetch(`${shop}/none`).then(
        () => true,
        () => false,
      ),
    );
    await reading(`${shop}/stream?parts=50&pause=17`, agent.headers, 17);
    // Said at the fifteenth part, when five of twenty were left.
    const reported = await until('the use to be reported', async () => {
      const hold = await holdOf(agent);
      return hold?.used === (15n * PART).toString() ? hold : undefined;
    });
    await house.stop(provider, 'SIGKILL');
    expect(await holdOf(agent)).toMatchObject({ state: 'held', quantity: '30' });
    await house.owner.query("UPDATE holds SET taken_at = now() - interval '2 min', expires_at = now() WHERE id = $1", [
      reported.id,
    ]);
    expect(await ended(agent)).toMatchObject({ state: 'captured', captured: '7500', captured_quantity: '15' });
    expect(await leftOf(agent)).toEqual({ available: agent.balance - 15n * PART, held: 0n });
  });

  it('leaves books that hold', async () => {
    await house.untilAll('settled');
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  });
});

/** The public client of channels, unmodified, with a wallet. */
function channelAgent(account: LocalAccount, rpcUrl: string): typeof fetch {
  const signer = toClientEvmSigner(account, createPublicClient({ chain: baseSepolia, transport: http(rpcUrl) }));
  return wrapFetchWithPayment(fetch, new x402Client().register('eip155:84532', new BatchSettlementEvmScheme(signer)));
}
