import type { Instant } from '@core/time';

/** A provider and what it has decided about being paid. Amounts are atomic units of the paid asset. */
export interface ProviderSettings {
  /** `prv_…` */
  readonly id: string;
  readonly name: string;
  /** Address that receives what agents pay, lower case. */
  readonly payTo: string;
  /** Most that may be unsettled at once from one payer. */
  readonly exposureCapPayer: bigint;
  /** Most that may be unsettled at once in all. */
  readonly exposureCapProvider: bigint;
  /** Amounts above this wait one release level longer; undefined: none does for its amount. */
  readonly raiseAbove: bigint | undefined;
  /** Whether a payer's first payment waits one release level longer. */
  readonly raiseFirstPayment: boolean;
  readonly createdAt: Instant;
}

/** A key as its owner may see it again: never its secret. */
export interface ListedKey {
  /** `key_…` */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: Instant;
  readonly expiresAt: Instant | undefined;
  readonly revokedAt: Instant | undefined;
}

export interface StoredKey extends ListedKey {
  readonly provider: string;
  readonly hash: Uint8Array;
}

/** An agent's account. */
export interface Account {
  /** `acct_…` */
  readonly id: string;
  /** The provider's own name for it; walk-up accounts have none. */
  readonly name: string | undefined;
  /** Wallets that have proven to belong to it, lower case. */
  readonly wallets: readonly string[];
  readonly createdAt: Instant;
}
