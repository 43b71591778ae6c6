import type { Instant } from '@core/time';
import type { Part } from './burn.js';
import { freeOf, type Grant, isUsable, remainingOf } from './grant.js';
import type { Counter, Limit } from './limits.js';

/** The prepaid value of an account in one asset, with what bounds its use. */
export interface Wallet {
  readonly grants: readonly Grant[];
  /** How far it may go below nothing; zero: not at all. */
  readonly creditLimit: bigint;
  /** Used on credit and not paid yet. */
  readonly owed: bigint;
  /** Set aside on credit. */
  readonly creditHeld: bigint;
  readonly limits: readonly Limit[];
  readonly counters: readonly Counter[];
  /** Raises an alert when the balance falls to one of these. */
  readonly alertBelow: readonly bigint[];
}

export const EMPTY_WALLET: Wallet = {
  grants: [],
  creditLimit: 0n,
  owed: 0n,
  creditHeld: 0n,
  limits: [],
  counters: [],
  alertBelow: [],
};

const sum = (values: readonly bigint[]): bigint => values.reduce((a, b) => a + b, 0n);

/** What all grants have left, less what is owed. */
export const postedOf = (wallet: Wallet): bigint => sum(wallet.grants.map(remainingOf)) - wallet.owed;

export const heldOf = (wallet: Wallet): bigint => sum(wallet.grants.map(({ held }) => held)) + wallet.creditHeld;

export const creditLeft = (wallet: Wallet): bigint => {
  const left = wallet.creditLimit - wallet.owed - wallet.creditHeld;
  return left > 0n ? left : 0n;
};

/** What may be set aside for a use of a meter now. No meter: what every use may have. */
export const availableFor = (wallet: Wallet, meter: string | undefined, at: Instant): bigint =>
  sum(wallet.grants.filter((grant) => isUsable(grant, meter, at)).map(freeOf)) + creditLeft(wallet);

/** The wallet with some grants changed by signed parts. */
export function changeGrants(
  grants: readonly Grant[],
  parts: readonly Part[],
  change: (grant: Grant, amount: bigint) => Grant,
): readonly Grant[] {
  if (parts.length === 0) return grants;
  return grants.map((grant) =>
    parts.reduce((changed, part) => (part.grant === grant.id ? change(changed, part.amount) : changed), grant),
  );
}
