import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client';
import { toClientEvmSigner } from '@x402/evm';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import express from 'express';
import { createPublicClient, http, type LocalAccount } from 'viem';
import { baseSepolia } from 'viem/chains';
import { BATCH_CONTRACTS, type ChannelConfig, type Hex } from '@core/x402';
import { EvmChannelChain } from '@platform/chain';
import { paywall } from '@farebox/paywall/express';
import { railOf, verifyBooks } from '../support/books.js';
import { initiateWithdraw } from '../support/channel-payer.js';
import { House } from '../support/house.js';
import { Payer } from '../support/payer.js';
import { relayerKey } from '../support/settlement-scene.js';
import { until } from '../support/until.js';

const PRICE = 4_000n;

interface ChannelState {
  readonly charged: bigint;
  readonly claimedFinal: bigint;
  readonly lost: bigint;
  readonly balance: bigint;
}

/** An agent as agents are: the public client packages, unmodified, with a wallet. A new one remembers nothing. */
function agentOf(account: LocalAccount, rpcUrl: string) {
  const signer = toClientEvmSigner(account, createPublicClient({ chain: baseSepolia, transport: http(rpcUrl) }));
  const scheme = new BatchSettlementEvmScheme(signer);
  return { scheme, fetch: wrapFetchWithPayment(fetch, new x402Client().register('eip155:84532', scheme)) };
}

describe('an agent pays by a channel, with the public client', () => {
  let house: House;
  let provider: string;
  let worker: Awaited<ReturnType<House['startWorker']>>;
  let chain: EvmChannelChain;

  beforeAll(async () => {
    house = await House.build({
      config: { CHANNEL_AUTHORIZER_KEY: relayerKey(7), CHANNEL_WITHDRAW_DELAY: '900', CLAIM_AFTER_SECONDS: '2' },
    });
    worker = await house.startWorker();
    const app = express();
    const price = paywall({ gateUrl: house.url, key: house.key });
    app.get('/hello', price({ meter: 'api.calls' }), (_request, response) => {
      response.json({ hello: 'agent' });
    });
    provider = await house.serve(app);
    chain = await EvmChannelChain.create({
      rpcUrl: house.chain.url,
      chainId: house.config.CHAIN_ID,
      multicall: house.config.MULTICALL_ADDRESS,
      contracts: BATCH_CONTRACTS,
      relayerKeys: [],
      authorizerKey: house.config.CHANNEL_AUTHORIZER_KEY ?? '',
      finality: house.config.CHAIN_FINALITY,
    });
  });

  afterAll(() => house.close());

  const paid = async (response: Response) => {
    if (response.status !== 200) throw new Error(`${response.status}: ${response.headers.get('PAYMENT-REQUIRED')}`);
    await response.text();
    return decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE') ?? '');
  };

  const channelOf = async (
    payer: string,
  ): Promise<ChannelState & { readonly config: ChannelConfig; readonly id: Hex }> => {
    const { rows } = await house.owner.query<Record<string, string>>(
      `SELECT charged::text, claimed_final::text, lost::text, balance::text, receiver, receiver_authorizer, token, withdraw_delay::text,
         encode(salt, 'hex') AS salt, encode(channel_id, 'hex') AS id FROM channels WHERE payer = $1`,
      [payer.toLowerCase()],
    );
    const [row] = rows;
    if (!row) throw new Error('the channel is not kept');
    const hex = (name: string): Hex => `0x${(row[name] ?? '').replace(/^0x/, '')}`;
    const wallet: Hex = `0x${payer.slice(2).toLowerCase()}`;
    return {
      charged: BigInt(row['charged'] ?? ''),
      claimedFinal: BigInt(row['claimed_final'] ?? ''),
      lost: BigInt(row['lost'] ?? ''),
      balance: BigInt(row['balance'] ?? ''),
      id: hex('id'),
      config: {
        payer: wallet,
        payerAuthorizer: wallet,
        receiver: hex('receiver'),
        receiverAuthorizer: hex('receiver_authorizer'),
        token: hex('token'),
        withdrawDelay: Number(row['withdraw_delay']),
        salt: hex('salt'),
      },
    };
  };

  const untilClaimed = async (payer: string): Promise<void> => {
    await until(`the channel of ${payer} to be claimed for good`, async () => {
      const { charged, claimedFinal } = await channelOf(payer);
      return claimedFinal === charged;
    });
  };

  /** Wallet, vouchers outstanding and losses, by the ledger. */
  const books = async (): Promise<Record<string, bigint>> => {
    const { rows } = await house.owner.query<{ code: string; balance: string }>(
      `SELECT l.code, sum(CASE WHEN t.debit_id = l.id THEN t.amount ELSE -t.amount END)::text AS balance
       FROM ledger_accounts l JOIN transfers t ON l.id IN (t.debit_id, t.credit_id) WHERE l.asset LIKE 'eip155:%/erc20:%' GROUP BY l.code`,
    );
    return Object.fromEntries(rows.map(({ code, balance }) => [code, BigInt(balance)]));
  };

  it('deposits with its first call and pays twenty more by vouchers; all of it is claimed and paid out', async () => {
    const wallet = await house.wallet(10, 1_000_000n);
    const agent = agentOf(wallet, house.chain.url);
    const first = await paid(await agent.fetch(`${provider}/hello`));
    expect(first).toMatchObject({
      success: true,
      amount: '40000',
      extra: { chargedAmount: '4000', channelState: { balance: '40000', chargedCumulativeAmount: '4000' } },
    });
    expect(first.transaction).toMatch(/^0x[0-9a-f]{64}$/);
    expect(await house.usdc.balance(wallet.address)).toBe(960_000n);
    // Ten calls are in the deposit; the eleventh and the twenty-first top it up.
    for (let i = 2n; i <= 21n; i += 1n) {
      const settlement = await paid(await agent.fetch(`${provider}/hello?n=${i}`));
      expect(settlement.extra).toMatchObject({
        chargedAmount: '4000',
        channelState: { chargedCumulativeAmount: (i * PRICE).toString() },
      });
      expect(settlement.transaction === '').toBe(![11n, 21n].includes(i));
    }
    expect((await channelOf(wallet.address)).charged).toBe(21n * PRICE);
    await untilClaimed(wallet.address);
    expect(await house.usdc.balance(house.payTo)).toBe(21n * PRICE);
    expect(await books()).toMatchObject({ '1020': 21n * PRICE, '1026': 0n, '1110': 0n, '4010': -21n * PRICE });
    const { channels } = await chain.channels([(await channelOf(wallet.address)).id], 'latest');
    expect(channels[0]).toMatchObject({ totalClaimed: 21n * PRICE, balance: 120_000n });
  }, 90_000);

  it('serves a client that lost its state', async () => {
    const wallet = await house.wallet(11, 1_000_000n);
    for (let i = 0; i < 3; i += 1)
      await paid(await agentOf(wallet, house.chain.url).fetch(`${provider}/hello?lost=${i}`));
    expect(await channelOf(wallet.address)).toMatchObject({ charged: 3n * PRICE, balance: 40_000n });
  }, 60_000);

  it('serves parallel calls of a client on one channel', async () => {
    const wallet = await house.wallet(12, 1_000_000n);
    const agent = agentOf(wallet, house.chain.url);
    await paid(await agent.fetch(`${provider}/hello`));
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, i) => agent.fetch(`${provider}/hello?parallel=${i}`)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect((await channelOf(wallet.address)).charged).toBe(6n * PRICE);
  }, 60_000);

  it('gives back what is left when the client asks, and takes a new deposit afterwards', async () => {
    const wallet = await house.wallet(13, 1_000_000n);
    const agent = agentOf(wallet, house.chain.url);
    await paid(await agent.fetch(`${provider}/hello`));
    const refund = await agent.scheme.refund(`${provider}/hello`);
    expect(refund).toMatchObject({ success: true, amount: '36000', extra: { channelState: { refundNonce: '1' } } });
    expect(await house.usdc.balance(wallet.address)).toBe(1_000_000n - PRICE);
    await paid(await agent.fetch(`${provider}/hello?again`));
    expect((await channelOf(wallet.address)).charged).toBe(2n * PRICE);
    await untilClaimed(wallet.address);
  }, 60_000);

  it('claims at once when the payer announces a withdrawal, though little is due', async () => {
    const wallet = await house.wallet(14, 1_000_000n);
    const payer = new Payer(`0x${Buffer.from(wallet.getHdKey().privateKey ?? []).toString('hex')}`);
    await house.stop(worker);
    worker = await house.startWorker({ CLAIM_AFTER_SECONDS: '86400' });
    const agent = agentOf(wallet, house.chain.url);
    await paid(await agent.fetch(`${provider}/hello`));
    const { config } = await channelOf(wallet.address);
    await initiateWithdraw(house.chain.url, payer, config, 36_000n);
    await untilClaimed(wallet.address);
    expect(await channelOf(wallet.address)).toMatchObject({ claimedFinal: PRICE, lost: 0n });
    const refused = await agent.fetch(`${provider}/hello?leaving`);
    expect(refused.status).toBe(402);
  }, 60_000);

  it('claims once whenever the worker is killed', async () => {
    const wallet = await house.wallet(15, 1_000_000n);
    const agent = agentOf(wallet, house.chain.url);
    for (const place of ['settlement.bytes-stored', 'settlement.receipt-seen']) {
      await paid(await agent.fetch(`${provider}/hello?before=${place}`));
      await house.stop(worker);
      const dying = await house.startWorker({ CRASH_AT: place });
      await until(`the worker to die at ${place}`, () =>
        Promise.resolve(dying.exitCode !== null || dying.signalCode !== null),
      );
      worker = await house.startWorker();
      await untilClaimed(wallet.address);
    }
    expect((await channelOf(wallet.address)).charged).toBe(2n * PRICE);
  }, 120_000);

  it('leaves books that agree with the chain to the unit', async () => {
    const { rows } = await house.owner.query<{ payer: string }>('SELECT payer FROM channels');
    for (const { payer } of rows) await untilClaimed(payer);
    await house.untilAll('settled');
    const { '1020': wallet, '1026': outstanding } = await books();
    expect(wallet).toBe(await house.usdc.balance(house.payTo));
    expect(outstanding).toBe(0n);
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  }, 60_000);
});
