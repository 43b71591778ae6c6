import type { ChannelMove, CrashPoint } from '@core/settlement';
import {
  BATCH_CONTRACTS,
  type BatchRelay,
  batchRelayOf,
  type ChannelConfig,
  type Hex,
  type RelayedClaim,
  type Voucher,
} from '@core/x402';
import { openPayments, type Payments } from '@features/payments';
import { Ledger } from '@features/ledger';
import { PriceBookCache } from '@features/pricing';
import { type SettlementCommands, settlementCommands } from '@features/settlement';
import { ChannelVerifier, Eip3009Verifier, EvmChannelChain, UsdcReader } from '@platform/chain';
import { Database } from '@platform/database';
import { SystemClock, SystemIds } from '@platform/system';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { CHAIN_ID } from '../../tools/servers/chain.mjs';
import { MULTICALL3_ADDRESS } from '../../tools/servers/usdc.mjs';
import { ChannelPayer } from './channel-payer.js';
import { NoCrash } from './interrupt.js';
import { USDC } from './paid-path.js';
import { relayerKey, SettlementScene } from './settlement-scene.js';

const DOMAIN = {
  name: 'x402 Batch Settlement',
  version: '1',
  chainId: CHAIN_ID,
  verifyingContract: BATCH_CONTRACTS.settlement,
} as const;
const CLAIM_TYPES = {
  ClaimBatch: [{ name: 'claims', type: 'ClaimEntry[]' }],
  ClaimEntry: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'maxClaimableAmount', type: 'uint128' },
    { name: 'totalClaimed', type: 'uint128' },
  ],
} as const;
const REFUND_TYPES = {
  Refund: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'nonce', type: 'uint256' },
    { name: 'amount', type: 'uint128' },
  ],
} as const;

/** The key of the gate's own channels in the scene. */
const GATE_KEY = relayerKey(7);

/** An agent's channel at a server, and the newest voucher the server has. */
export interface ServedChannel {
  readonly payer: ChannelPayer;
  readonly config: ChannelConfig;
  readonly id: Hex;
}

/** What a server sends to verify and settle. */
export interface RelayBody {
  readonly x402Version: 2;
  readonly paymentPayload: { readonly payload: Record<string, unknown> };
  readonly paymentRequirements: Record<string, unknown>;
}

/**
 * A server with channels of its own, before the facilitator's door on a real database and a real chain whose blocks come only when the test
 * mines them; the worker's part is done by hand.
 */
export class RelayScene {
  readonly server = privateKeyToAccount(generatePrivateKey());
  readonly authorizer: Hex = `0x${this.server.address.slice(2).toLowerCase()}`;

  private constructor(
    readonly settlement: SettlementScene,
    readonly chain: EvmChannelChain,
    readonly verifier: ChannelVerifier,
    readonly door: Payments,
    private readonly database: Database,
  ) {}

  static async open(): Promise<RelayScene> {
    const settlement = await SettlementScene.build({ mining: false, finality: 3, terms: { pollMs: 1 } });
    const settings = {
      rpcUrl: settlement.chain.url,
      chainId: CHAIN_ID,
      multicall: MULTICALL3_ADDRESS,
      contracts: BATCH_CONTRACTS,
      relayerKeys: settlement.relayerKeys,
      authorizerKey: GATE_KEY,
      finality: 3,
    };
    const chain = await EvmChannelChain.create(settings);
    const verifier = await ChannelVerifier.create(CHAIN_ID, BATCH_CONTRACTS);
    const database = new Database(settlement.db.appUrl, 2);
    const clock = new SystemClock();
    const door = openPayments({
      database,
      writer: settlement.writer,
      book: new PriceBookCache(database, clock),
      chain: new UsdcReader({ rpcUrl: settings.rpcUrl, multicall: MULTICALL3_ADDRESS, pollMs: 50 }, clock),
      verifier: await Eip3009Verifier.create(),
      clock,
      ids: new SystemIds(),
      assets: () => [USDC],
      relay: { chain, verifier, collector: BATCH_CONTRACTS.erc3009Collector },
      settings: {
        publicUrl: 'https://farebox.example',
        quoteSecret: 'q'.repeat(40),
        quoteSeconds: 300,
        releaseWaitMs: 100,
        settleWaitMs: 100,
        // The chain's time is the test's to move.
        staleSeconds: 1_000_000_000,
        exposureCap: undefined,
      },
    });
    return new RelayScene(settlement, chain, verifier, door, database);
  }

  get payTo(): Hex {
    const [payTo] = this.settlement.payees;
    if (!payTo) throw new Error('the scene has a payee');
    return payTo;
  }

  /** Commands as another worker would have them. */
  worker(crash: CrashPoint = new NoCrash()): SettlementCommands & { relay: NonNullable<SettlementCommands['relay']> } {
    const { writer: db, rail, terms } = this.settlement;
    const parts = { db, rail, ledger: new Ledger(), ids: new SystemIds(), crash, terms, relay: this.chain };
    const { relay, ...others } = settlementCommands(parts);
    if (!relay) throw new Error('channels were given');
    return { ...others, relay };
  }

  /** One round of a worker: orders are sent, transactions looked at, and what came of them. */
  async round(worker = this.worker()): Promise<void> {
    await this.hurry();
    await worker.relay.run({ chainId: CHAIN_ID });
    await this.settlement.hurry();
    await worker.confirm.run({ chainId: CHAIN_ID });
    await this.hurry();
    await worker.relay.run({ chainId: CHAIN_ID });
  }

  async hurry(): Promise<void> {
    await this.settlement.owner.query(
      "UPDATE relay_orders SET next_run_at = now() WHERE next_run_at > now() AND state IN ('open', 'included')",
    );
  }

  /** Rounds and blocks until all orders have ended and all transactions are final. */
  async untilEnded(): Promise<void> {
    for (let i = 0; i < 40; i += 1) {
      await this.round();
      const { rowCount } = await this.settlement.owner.query(
        `SELECT FROM relay_orders WHERE state IN ('open', 'included')
         UNION ALL SELECT FROM chain_transactions WHERE state NOT IN ('final', 'dropped')`,
      );
      if (rowCount === 0) return;
      await this.settlement.mine();
    }
    throw new Error('the orders did not end');
  }

  async orders(): Promise<
    { kind: string; state: string; reason: string | null; attempts: number; moved: string | null }[]
  > {
    const { rows } = await this.settlement.owner.query<{
      kind: string;
      state: string;
      reason: string | null;
      attempts: number;
      moved: string | null;
    }>('SELECT kind, state, reason, attempts, moved::text FROM relay_orders ORDER BY id');
    return rows;
  }

  // ── what a server sends ──

  body(payload: Record<string, unknown>, extra: Record<string, unknown> = {}): RelayBody {
    const terms = {
      scheme: 'batch-settlement',
      network: USDC.network,
      asset: USDC.displayAddress,
      amount: '0',
      payTo: this.payTo,
      maxTimeoutSeconds: 0,
      extra,
    };
    const paymentPayload = { x402Version: 2, accepted: terms, payload };
    return { x402Version: 2, paymentPayload, paymentRequirements: terms };
  }

  /** The terms that a payer's own payloads are held to. */
  paid(payload: Record<string, unknown>): RelayBody {
    const { name, version } = USDC.domain;
    return this.body(payload, { receiverAuthorizer: this.authorizer, withdrawDelay: 900, name, version });
  }

  async channel(funds = 1_000_000n, change: Partial<ChannelConfig> = {}): Promise<ServedChannel> {
    const payer = new ChannelPayer(this.verifier);
    await this.settlement.usdc.mint(payer.address, funds);
    const terms = { receiver: this.payTo, receiverAuthorizer: this.authorizer, token: USDC.domain.address };
    const config = { ...payer.config(terms), ...change };
    return { payer, config, id: this.verifier.channelId(config) };
  }

  async deposit({ payer, config }: ServedChannel, amount: bigint, lifetime = 600n): Promise<RelayBody> {
    const voucher = await payer.voucher(config, 1_000n);
    const until = (await this.settlement.headTime()) + lifetime;
    const { authorization } = await payer.deposit(config, amount, until);
    const { validAfter, validBefore, salt, signature } = authorization;
    return this.paid({
      type: 'deposit',
      channelConfig: config,
      voucher: voucherText(voucher),
      deposit: {
        amount: amount.toString(),
        authorization: {
          erc3009Authorization: {
            validAfter: validAfter.toString(),
            validBefore: validBefore.toString(),
            salt,
            signature,
          },
        },
      },
    });
  }

  async claim(channels: readonly ServedChannel[], total: bigint): Promise<RelayBody> {
    const claims = await Promise.all(channels.map((channel) => this.#row(channel, total)));
    return this.body({ type: 'claim', claims, claimAuthorizerSignature: await this.#signClaims(channels, total) });
  }

  settle(): RelayBody {
    return this.body({ type: 'settle', receiver: this.payTo, token: USDC.displayAddress });
  }

  /** A refund of so much, with a claim of `total` before it where that is more than nothing. */
  async refund(channel: ServedChannel, amount: bigint, nonce: bigint, total = 0n): Promise<RelayBody> {
    const { payer, config, id } = channel;
    const message = { channelId: id, nonce, amount };
    const refundAuthorizerSignature = await this.server.signTypedData({
      ...{ domain: DOMAIN, types: REFUND_TYPES, primaryType: 'Refund', message },
    });
    const claim =
      total === 0n
        ? { claims: [] }
        : {
            claims: [await this.#row(channel, total)],
            claimAuthorizerSignature: await this.#signClaims([channel], total),
          };
    return this.body({
      type: 'refund',
      channelConfig: config,
      voucher: voucherText(await payer.voucher(config, total)),
      amount: amount.toString(),
      refundNonce: nonce.toString(),
      refundAuthorizerSignature,
      ...claim,
    });
  }

  async #row({ payer, config }: ServedChannel, total: bigint) {
    const { signature } = await payer.voucher(config, total);
    return {
      voucher: { channel: config, maxClaimableAmount: total.toString() },
      signature,
      totalClaimed: total.toString(),
    };
  }

  #signClaims(channels: readonly ServedChannel[], total: bigint): Promise<Hex> {
    const claims = channels.map(({ id }) => ({ channelId: id, maxClaimableAmount: total, totalClaimed: total }));
    return this.server.signTypedData({
      ...{ domain: DOMAIN, types: CLAIM_TYPES, primaryType: 'ClaimBatch', message: { claims } },
    });
  }

  /** Somebody who is not us carries it to the chain; mining is up to the test. @returns the hash */
  async asStranger({ paymentPayload }: RelayBody): Promise<Hex> {
    const read = batchRelayOf(paymentPayload);
    if (!read.ok) throw new Error(read.message);
    const { rail, chain } = this.settlement;
    const strange = await EvmChannelChain.create({
      rpcUrl: chain.url,
      chainId: CHAIN_ID,
      multicall: MULTICALL3_ADDRESS,
      contracts: BATCH_CONTRACTS,
      relayerKeys: [relayerKey(5)],
      finality: 3,
    });
    const signer: Hex = `0x${privateKeyToAccount(relayerKey(5)).address.slice(2).toLowerCase()}`;
    const nonce = await rail.nextNonce(signer, 'latest');
    const fees = { maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 11n };
    const sent = await strange.sign({ signer, nonce, moves: [this.#moveOf(read.relay)], fees });
    await rail.broadcast(sent.raw);
    return sent.hash;
  }

  #moveOf(relay: BatchRelay): ChannelMove {
    const rowOf = ({ config, maxClaimable, signature, totalClaimed }: RelayedClaim) => ({
      config,
      voucher: { channelId: this.verifier.channelId(config), maxClaimable, signature },
      totalClaimed,
    });
    switch (relay.type) {
      case 'deposit':
        return { kind: 'deposit', config: relay.payment.config, deposit: relay.payment.deposit };
      case 'settle':
        return { kind: 'settle', receiver: relay.receiver, token: relay.token };
      case 'claim':
        return { kind: 'claim', rows: relay.claims.map(rowOf), signature: relay.signature ?? '0x' };
      case 'refund': {
        const { payment, amount, nonce, claim, refundSignature, claimSignature } = relay;
        const signatures = { refund: refundSignature ?? '0x', claim: claimSignature } as const;
        return { kind: 'refund', config: payment.config, amount, nonce, claim: claim && rowOf(claim), signatures };
      }
    }
  }

  async close(): Promise<void> {
    await this.door.close();
    await this.database.close();
    await this.settlement.close();
  }
}

const voucherText = ({ channelId, maxClaimable, signature }: Voucher) => ({
  channelId,
  maxClaimableAmount: maxClaimable.toString(),
  signature,
});
