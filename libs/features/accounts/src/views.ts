import type { AgentBudget, AgentScope, IdentityKind, IdentityProof } from '@core/agents';
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

/** A key of an agent as its provider may see it again: never its secret. */
export interface ListedAgentKey {
  /** `key_…` */
  readonly id: string;
  /** The account it acts for, `acct_…`. */
  readonly account: string;
  readonly name: string;
  readonly scopes: readonly AgentScope[];
  /** What it may spend at most; none: all that the account may. */
  readonly budgets: readonly AgentBudget[];
  readonly createdAt: Instant;
  readonly expiresAt: Instant | undefined;
  readonly revokedAt: Instant | undefined;
}

export interface StoredAgentKey extends ListedAgentKey {
  readonly provider: string;
  readonly hash: Uint8Array;
}

/** What identifies an account: one account of a provider only. */
export interface Identity {
  readonly kind: IdentityKind;
  /** An address, 0x-prefixed, lower case; or a host. */
  readonly subject: string;
  readonly account: string;
  /** How it came to the account. */
  readonly proof: IdentityProof;
  readonly linkedAt: Instant;
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
