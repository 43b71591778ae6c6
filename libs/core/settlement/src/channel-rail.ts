import type { ChannelConfig, ChannelDeposit, Hex, Voucher } from '@core/x402';
import type { Fees } from './fees.js';
import type { Block, BlockRef, ChainView, Receipt, SignedTransaction } from './rail.js';

/** A channel as the contract has it in one block. Amounts are atomic units; a channel never funded is all zero. */
export interface ChannelOnChain {
  readonly channelId: Hex;
  /** Deposits less withdrawals and refunds; what was claimed is still in it. */
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  /** The payer's announced withdrawal; `requestedAt` is Unix seconds. */
  readonly withdrawal: { readonly amount: bigint; readonly requestedAt: bigint } | undefined;
  readonly refundNonce: bigint;
}

/** Channels, and the block in which all of them were read. */
export interface ChannelsAt {
  readonly block: Block;
  readonly channels: readonly ChannelOnChain[];
}

/** What was claimed for a receiver of one token over all channels, and how much of it was paid out. */
export interface ReceiverOnChain {
  readonly totalClaimed: bigint;
  readonly totalSettled: bigint;
}

/** One channel of a claim: the newest voucher, and the running total to claim by it, at most its ceiling. */
export interface ClaimRow {
  readonly config: ChannelConfig;
  readonly voucher: Voucher;
  readonly totalClaimed: bigint;
}

/**
 * One call of a transaction to the channels; several travel in one, and each may fail by itself. deposit: by the payer's
 * signature · claim: all rows or none, and all of our authorizer · settle: pays the receiver what was claimed · refund: gives the
 * payer back what is left, up to `amount`, after claiming what the row says, both or none.
 */
export type ChannelMove =
  | { readonly kind: 'deposit'; readonly config: ChannelConfig; readonly deposit: ChannelDeposit }
  | {
      readonly kind: 'claim';
      readonly rows: readonly ClaimRow[];
      /** The authorizer's signature where that is not our key but a server's own. */
      readonly signature?: Hex;
    }
  | { readonly kind: 'settle'; readonly receiver: Hex; readonly token: Hex }
  | {
      readonly kind: 'refund';
      readonly config: ChannelConfig;
      readonly amount: bigint;
      /** The channel's refund nonce on the chain. */
      readonly nonce: bigint;
      readonly claim: ClaimRow | undefined;
      /** The authorizer's signatures where that is not our key but a server's own. */
      readonly signatures?: { readonly refund: Hex; readonly claim: Hex | undefined };
    };

/** What the contract said in a transaction. `balance` and `totalClaimed` are those after it. */
export type ChannelEvent = { readonly logIndex: number } & (
  | { readonly kind: 'created' | 'closed'; readonly channelId: Hex; readonly config: ChannelConfig }
  | { readonly kind: 'deposited'; readonly channelId: Hex; readonly amount: bigint; readonly balance: bigint }
  | { readonly kind: 'claimed'; readonly channelId: Hex; readonly amount: bigint; readonly totalClaimed: bigint }
  | { readonly kind: 'refunded' | 'withdrawn'; readonly channelId: Hex; readonly amount: bigint }
  | {
      readonly kind: 'withdraw-requested';
      readonly channelId: Hex;
      readonly amount: bigint;
      /** Unix seconds from which on the payer may take the value out. */
      readonly finalizeAfter: bigint;
    }
  | { readonly kind: 'settled'; readonly receiver: Hex; readonly token: Hex; readonly amount: bigint }
);

/** An event and where it stands on the chain. */
export type ChannelLog = ChannelEvent & { readonly block: BlockRef; readonly transaction: Hex };

/** A receipt that also says what happened to channels. */
export interface ChannelReceipt extends Receipt {
  readonly channelEvents: readonly ChannelEvent[];
}

/** Why a move would not pass now: the contract's own name for it where it gave one. */
type MoveVerdict = { readonly passes: true } | { readonly passes: false; readonly reason: string };

export type ChannelSimulation =
  | { readonly kind: 'verdicts'; readonly verdicts: readonly MoveVerdict[] }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * The payment channels of one chain, read by anybody and written to by our relayer keys. It adds to `SettlementRail` what is
 * particular to channels: bytes it signs are sent, replaced and watched there, under the same nonces. Every method throws Fault
 * `unavailable` when the chain cannot be asked: that says nothing about a channel.
 */
export abstract class ChannelChain {
  abstract readonly chainId: number;
  /** The settlement contract, lower case. */
  abstract readonly settlement: Hex;
  /** The address that signs claims and refunds; offers name it, and channels must. The zero address where we have no key. */
  abstract readonly authorizer: Hex;
  /** How many rows of claims fit one transaction of ours. */
  abstract readonly mostClaimRows: number;

  abstract view(): Promise<ChainView>;
  /** One answer per id, in order, all of the same block. */
  abstract channels(ids: readonly Hex[], at: 'latest' | 'finalized'): Promise<ChannelsAt>;
  /** One channel in the newest block. Calls made at the same time are answered by one look at the chain. */
  abstract channel(id: Hex): Promise<{ readonly block: Block; readonly channel: ChannelOnChain }>;
  abstract receiver(receiver: Hex, token: Hex, at: 'latest' | 'finalized'): Promise<ReceiverOnChain>;
  /** What happened to channels in these blocks, both included, in the order of the chain. */
  abstract events(from: bigint, to: bigint): Promise<readonly ChannelLog[]>;

  /** The gas limit a transaction of these moves gets. */
  abstract gasLimit(moves: readonly ChannelMove[]): bigint;
  abstract simulate(moves: readonly ChannelMove[]): Promise<ChannelSimulation>;
  /** Signs the moves as one transaction, with the authorizer's signatures in it. Does not touch the network. */
  abstract sign(plan: {
    signer: Hex;
    nonce: bigint;
    moves: readonly ChannelMove[];
    fees: Fees;
  }): Promise<SignedTransaction>;
  /** One answer per hash, in order. */
  abstract receipts(hashes: readonly Hex[]): Promise<readonly (ChannelReceipt | undefined)[]>;
}
