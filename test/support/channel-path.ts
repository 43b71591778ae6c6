import pg from 'pg';
import type { ChannelOnChain } from '@core/settlement';
import { instant } from '@core/time';
import {
  BATCH_CONTRACTS,
  type ChannelConfig,
  encodePaymentPayload,
  type Hex,
  type PaymentRequirements,
} from '@core/x402';
import { CreateMeter } from '@features/metering';
import { type CheckDecision, openPayments, type Payments, type RequestToCheck } from '@features/payments';
import { CreatePrice, PriceBookCache } from '@features/pricing';
import { ChannelVerifier, Eip3009Verifier } from '@platform/chain';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import { ChannelPayer } from './channel-payer.js';
import { createTestDatabase, seedProvider, type TestDatabase } from './database.js';
import { challengeOf, HeldClock, ScriptedChain, USDC } from './paid-path.js';

const CHAIN_ID = 84532;
const AUTHORIZER: Hex = '0x90f79bf6eb2c4f870365e785982e1f101e93b906';
const WITHDRAW_DELAY = 900;

/** Channels as the test says they stand on the chain; the real reader has its own tests against a real chain. */
class ScriptedChannels {
  readonly chainId = CHAIN_ID;
  readonly on = new Map<Hex, ChannelOnChain>();
  looks = 0;
  block = 100n;

  put(channelId: Hex, change: Partial<ChannelOnChain>): void {
    const empty = { channelId, balance: 0n, totalClaimed: 0n, withdrawal: undefined, refundNonce: 0n };
    this.on.set(channelId, { ...(this.on.get(channelId) ?? empty), ...change });
    this.block += 1n;
  }

  channel(id: Hex) {
    this.looks += 1;
    const block = { number: this.block, hash: '0x01', timestamp: 0n } as const;
    const empty = { channelId: id, balance: 0n, totalClaimed: 0n, withdrawal: undefined, refundNonce: 0n };
    return Promise.resolve({ block, channel: this.on.get(id) ?? empty });
  }
}

/** An agent with one channel, funded on the scripted chain. */
export interface Channel {
  readonly payer: ChannelPayer;
  readonly config: ChannelConfig;
  readonly id: Hex;
}

/** Channels behind the gate on a real database, as two processes would run them, with a meter `calls` at 0.004 USDC a call. */
export class ChannelPath {
  private constructor(
    readonly db: TestDatabase,
    readonly owner: pg.Pool,
    readonly clock: HeldClock,
    readonly chain: ScriptedChannels,
    readonly payers: ScriptedChain,
    readonly provider: string,
    readonly payTo: Hex,
    readonly verifier: ChannelVerifier,
    readonly a: Payments,
    readonly b: Payments,
    private readonly closing: readonly (() => Promise<void>)[],
  ) {}

  static async open(): Promise<ChannelPath> {
    const payTo: Hex = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8';
    const db = await createTestDatabase();
    const owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    const database = new Database(db.appUrl, 4);
    const clock = new HeldClock(instant(Date.now()));
    const ids = new SystemIds();
    const { provider } = await seedProvider(db, { payTo });
    await new CreateMeter(database, ids, clock).run({ provider, name: 'calls', aggregation: 'sum', unit: 'calls' });
    await new CreatePrice(database, new Outbox(), clock, ids).run({
      provider,
      meter: 'calls',
      model: 'per_unit',
      definition: { rate: '0.004' },
      asset: USDC,
      release: 'authorized',
      effectiveAt: undefined,
    });
    const chain = new ScriptedChannels();
    const payers = new ScriptedChain(clock);
    const verifier = await ChannelVerifier.create(CHAIN_ID, BATCH_CONTRACTS);
    const authorizations = await Eip3009Verifier.create();
    const writers = [new Writer(db.writerUrl, 4), new Writer(db.writerUrl, 4)] as const;
    const open = (writer: Writer) =>
      openPayments({
        database,
        writer,
        book: new PriceBookCache(database, clock),
        chain: payers,
        verifier: authorizations,
        clock,
        ids,
        assets: () => [USDC],
        channels: {
          chain,
          verifier,
          authorizer: AUTHORIZER,
          collector: BATCH_CONTRACTS.erc3009Collector,
          withdrawDelay: WITHDRAW_DELAY,
        },
        settings: {
          publicUrl: 'https://farebox.example',
          quoteSecret: 'q'.repeat(40),
          quoteSeconds: 300,
          releaseWaitMs: 300,
          staleSeconds: 30,
          exposureCap: undefined,
        },
      });
    const [a, b] = [open(writers[0]), open(writers[1])];
    return new ChannelPath(db, owner, clock, chain, payers, provider, payTo, verifier, a, b, [
      () => a.close(),
      () => b.close(),
      () => database.close(),
      () => owner.end(),
      () => writers[0].close(),
      () => writers[1].close(),
    ]);
  }

  /** A channel that holds so much, which the gate has not heard of. */
  channel(balance: bigint, onChain: Partial<ChannelOnChain> = {}): Channel {
    const payer = new ChannelPayer(this.verifier);
    const config = payer.config({
      receiver: this.payTo,
      receiverAuthorizer: AUTHORIZER,
      token: `0x${USDC.domain.address.slice(2)}`,
    });
    const id = this.verifier.channelId(config);
    this.chain.put(id, { balance, ...onChain });
    return { payer, config, id };
  }

  check(change: Partial<RequestToCheck> = {}, through = this.a): Promise<CheckDecision> {
    const request: RequestToCheck = { method: 'GET', url: 'https://api.example.com/hello', meter: 'calls', ...change };
    return through.check.run({ provider: this.provider, request });
  }

  async offer(asked: Partial<RequestToCheck> = {}): Promise<PaymentRequirements> {
    const offer = challengeOf(await this.check(asked)).accepts.find(({ scheme }) => scheme === 'batch-settlement');
    if (!offer) throw new Error('the challenge offers no channel');
    return offer;
  }

  /** PAYMENT-SIGNATURE with a voucher, or anything put in its payload. */
  async header(
    channel: Channel,
    ceiling: bigint,
    asked: Partial<RequestToCheck> = {},
    change: Record<string, unknown> = {},
    accepted?: PaymentRequirements,
  ): Promise<string> {
    const voucher = await channel.payer.voucher(channel.config, ceiling);
    return encodePaymentPayload({
      x402Version: 2,
      accepted: accepted ?? (await this.offer(asked)),
      payload: {
        type: 'voucher',
        channelConfig: channel.config,
        voucher: {
          channelId: voucher.channelId,
          maxClaimableAmount: ceiling.toString(),
          signature: voucher.signature,
        },
        ...change,
      },
    });
  }

  async row(channel: Channel): Promise<{ charged: string; signed_max: string; account_id: string }> {
    const { rows } = await this.owner.query<{ charged: string; signed_max: string; account_id: string }>(
      "SELECT charged::text, signed_max::text, account_id FROM channels WHERE channel_id = decode($1, 'hex')",
      [channel.id.slice(2)],
    );
    const [row] = rows;
    if (!row) throw new Error('the channel is not kept');
    return row;
  }

  async close(): Promise<void> {
    for (const close of this.closing) await close();
    await this.db.drop();
  }
}
