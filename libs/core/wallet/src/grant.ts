import type { Instant } from '@core/time';

/** paid: bought, a debt until it is used · promotional, goodwill: given, worth nothing until it is used. */
export const GRANT_KINDS = ['paid', 'promotional', 'goodwill'] as const;
export type GrantKind = (typeof GRANT_KINDS)[number];

/** Prepaid value given to an account, in atomic units of one asset. */
export interface Grant {
  /** `grt_…` */
  readonly id: string;
  readonly kind: GrantKind;
  /** Lower burns first. */
  readonly priority: number;
  readonly effectiveAt: Instant;
  /** The first instant at which it is no longer good; absent: never. */
  readonly expiresAt?: Instant | undefined;
  /** Names of the meters it may be spent on; absent: on all. */
  readonly scope?: readonly string[] | undefined;
  readonly createdAt: Instant;
  /** What was given at first and what a renewal fills it up to. */
  readonly amount: bigint;
  /** What was paid for `amount`; less than it where a discount was given. Zero unless paid. */
  readonly cost: bigint;
  /** Running totals; what remains is the first less the others. */
  readonly granted: bigint;
  readonly consumed: bigint;
  readonly expired: bigint;
  readonly voided: bigint;
  readonly refunded: bigint;
  /** The part of what remains that open holds have set aside. */
  readonly held: bigint;
  /** No longer to be spent, but for what is held. */
  readonly isVoid: boolean;
}

export const remainingOf = (grant: Grant): bigint =>
  grant.granted - grant.consumed - grant.expired - grant.voided - grant.refunded;

/** What remains and no hold has set aside. */
export const freeOf = (grant: Grant): bigint => remainingOf(grant) - grant.held;

export const hasExpired = (grant: Grant, at: Instant): boolean =>
  grant.expiresAt !== undefined && at >= grant.expiresAt;

/** Whether it may be spent on a meter at an instant; no meter: on something that every scope covers. */
export const isUsable = (grant: Grant, meter: string | undefined, at: Instant): boolean =>
  !grant.isVoid &&
  at >= grant.effectiveAt &&
  !hasExpired(grant, at) &&
  (grant.scope === undefined || (meter !== undefined && grant.scope.includes(meter)));

export type GrantState = 'pending' | 'active' | 'exhausted' | 'expired' | 'voided';

export function grantState(grant: Grant, at: Instant): GrantState {
  if (grant.isVoid) return 'voided';
  if (hasExpired(grant, at)) return 'expired';
  if (at < grant.effectiveAt) return 'pending';
  return remainingOf(grant) === 0n ? 'exhausted' : 'active';
}

const FOREVER = Number.MAX_SAFE_INTEGER;

/** Which of two grants is spent first: priority, expiry, given before paid, age, id. */
export function inBurnOrder(a: Grant, b: Grant): number {
  return (
    a.priority - b.priority ||
    (a.expiresAt ?? FOREVER) - (b.expiresAt ?? FOREVER) ||
    Number(a.kind === 'paid') - Number(b.kind === 'paid') ||
    a.createdAt - b.createdAt ||
    (a.id < b.id ? -1 : 1)
  );
}
