import type { ChannelConfig, Hex } from '@core/x402';
import type { Fees, Market } from './fees.js';

/** A block by height and hash. */
export interface BlockRef {
  readonly number: bigint;
  readonly hash: Hex;
}

export interface Block extends BlockRef {
  /** Unix seconds. */
  readonly timestamp: bigint;
}

/** The newest block, and the newest one that cannot go away: both as one node saw them. */
export interface ChainView {
  readonly head: Block;
  readonly finalized: Block;
}

/** Names an authorization: the token contract, its payer and the payer's nonce. Lower case. */
export interface AuthorizationKey {
  readonly token: Hex;
  readonly payer: Hex;
  readonly nonce: Hex;
  /** Set when the payer signed for a ceiling: Permit2 keeps the nonce then and the token knows nothing of it; `nonce` only names it. */
  readonly ceiling?: CeilingKey;
}

/** What decides about a signed ceiling. */
export interface CeilingKey {
  /** The payer's nonce at Permit2. */
  readonly nonce: bigint;
  /** The relayer key that the payer named: nobody else can settle it. */
  readonly facilitator: Hex;
}

/** What the transfer of an authorization must look like on the chain. */
export interface ExpectedTransfer extends AuthorizationKey {
  readonly payTo: Hex;
  /** Atomic units. */
  readonly value: bigint;
}

/** A transfer the payer has signed, ready to be carried to the token. Times are Unix seconds, as the token compares them. */
export interface AuthorizedTransfer extends ExpectedTransfer {
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  /** 65 bytes. */
  readonly signature: Hex;
  /** Set when the payer signed for a ceiling: `value` is what is charged of it, and `validBefore` the deadline. */
  readonly ceiling?: CeilingKey & { readonly permitted: bigint };
  /** Set when the transfer funds a channel: `payTo` is the collector then, and the nonce follows from channel and salt. */
  readonly deposit?: ChannelFunding;
}

/** The channel that a transfer funds. */
interface ChannelFunding {
  readonly config: ChannelConfig;
  readonly salt: Hex;
}

/** What a token contract said in a transaction, in order. */
export type TokenEvent =
  | ({ readonly kind: 'used' | 'canceled'; readonly logIndex: number } & AuthorizationKey)
  | {
      readonly kind: 'transfer';
      readonly logIndex: number;
      readonly token: Hex;
      readonly from: Hex;
      readonly to: Hex;
      readonly value: bigint;
    };

export interface Receipt {
  readonly hash: Hex;
  readonly success: boolean;
  readonly block: BlockRef;
  /** Who sent the transaction, and which contract it called. */
  readonly sender?: Hex;
  readonly target?: Hex;
  readonly gasUsed: bigint;
  /** What one unit of gas cost, in the chain's native atomic unit. */
  readonly gasPrice: bigint;
  /** What a rollup charged on top for the data. */
  readonly dataFee: bigint;
  readonly events: readonly TokenEvent[];
}

/** Whether the items would pass if they were sent now: one verdict each, or the whole call was turned down. */
export type Simulation =
  | { readonly kind: 'verdicts'; readonly passes: readonly boolean[] }
  | { readonly kind: 'refused'; readonly reason: string };

/** Bytes that are ready to be sent, and the hash they will have. */
export interface SignedTransaction {
  readonly raw: Hex;
  readonly hash: Hex;
  readonly fees: Fees;
}

/**
 * What a node said to signed bytes. accepted: it has them now, or had them · nonce-used: the nonce is taken on its chain ·
 * underpriced: the fees are too low for it now · no-funds: the relayer key cannot pay the gas · refused: these bytes can never
 * be mined · unclear: anything else, which proves nothing.
 */
export type BroadcastAnswer =
  | { readonly kind: 'accepted' | 'nonce-used' | 'underpriced' | 'no-funds' }
  | { readonly kind: 'refused' | 'unclear'; readonly reason: string };

/** The transaction in which an authorization was used up, and how. */
export interface AuthorizationEnd {
  readonly kind: 'used' | 'canceled';
  readonly receipt: Receipt;
}

/**
 * A chain that carries authorized transfers, written to by our relayer keys. Many travel together; a ceiling travels alone, from the
 * key it names. Every method throws Fault `unavailable` when the chain cannot be asked: that says nothing about the payment.
 */
export abstract class SettlementRail {
  abstract readonly chainId: number;
  /** Addresses of the relayer keys, lower case. */
  abstract readonly signers: readonly Hex[];
  /** How many transfers fit one transaction of ours. */
  abstract readonly mostPerTransaction: number;

  abstract view(): Promise<ChainView>;
  /** Hashes of the blocks that are on the chain now at these heights; heights above the head are missing. */
  abstract blockHashes(numbers: readonly bigint[]): Promise<ReadonlyMap<bigint, Hex>>;
  abstract simulate(items: readonly AuthorizedTransfer[]): Promise<Simulation>;
  abstract market(): Promise<Market>;
  /** The relayer key's native balance, atomic. */
  abstract balance(signer: Hex): Promise<bigint>;
  /** The gas limit a transaction of so many transfers gets, so many of which fund channels. */
  abstract gasLimit(items: number, deposits?: number): bigint;
  /** The gas limit a transaction gets that settles a ceiling. */
  abstract readonly ceilingGasLimit: bigint;
  /** Signs the transfers as one transaction. Does not touch the network. */
  abstract sign(plan: {
    signer: Hex;
    nonce: bigint;
    items: readonly AuthorizedTransfer[];
    fees: Fees;
  }): Promise<SignedTransaction>;
  /** The same transaction with other fees. Does not touch the network. */
  abstract resign(signer: Hex, raw: Hex, fees: Fees): Promise<SignedTransaction>;
  /** A transaction that does nothing but use the nonce. Does not touch the network. */
  abstract signFiller(signer: Hex, nonce: bigint, fees: Fees): Promise<SignedTransaction>;
  abstract broadcast(raw: Hex): Promise<BroadcastAnswer>;
  /** One answer per hash, in order. */
  abstract receipts(hashes: readonly Hex[]): Promise<readonly (Receipt | undefined)[]>;
  /** The first nonce that no mined transaction of the signer has used, now or at a height. */
  abstract nextNonce(signer: Hex, at: 'latest' | bigint): Promise<bigint>;
  /** Whether each authorization is used up (by a transfer or a cancellation) at a height. */
  abstract usedAt(keys: readonly AuthorizationKey[], at: bigint): Promise<readonly boolean[]>;
  /**
   * Searches backward from the head to a time (Unix seconds) for the transaction that used the authorization up. Of a ceiling only a
   * settlement of ours leaves a trace that can be found: undefined says that none of that time paid by it.
   */
  abstract findEnd(key: AuthorizationKey, since: bigint): Promise<AuthorizationEnd | undefined>;
}
