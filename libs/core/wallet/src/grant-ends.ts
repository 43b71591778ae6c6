import { addMs, type Instant, instant } from '@core/time';
import { freeOf, type Grant, hasExpired, remainingOf } from './grant.js';

/** What left a grant, or came to it. */
export interface Change {
  readonly grant: Grant;
  readonly amount: bigint;
}

/**
 * What is over at an instant: of an expired grant breakage, of a void one what holds gave back since. What is held stays until
 * its hold ends: a hold is a promise.
 */
export function lapse(grant: Grant, at: Instant): Change & { readonly as: 'expired' | 'voided' | 'kept' } {
  const amount = freeOf(grant);
  if (amount <= 0n) return { grant, amount: 0n, as: 'kept' };
  if (grant.isVoid) return { grant: { ...grant, voided: grant.voided + amount }, amount, as: 'voided' };
  if (hasExpired(grant, at)) return { grant: { ...grant, expired: grant.expired + amount }, amount, as: 'expired' };
  return { grant, amount: 0n, as: 'kept' };
}

export type Voided =
  | ({ readonly outcome: 'voided' } & Change)
  | { readonly outcome: 'unchanged' }
  /** Nothing is left to void. */
  | { readonly outcome: 'ended'; readonly why: 'exhausted' | 'expired' };

/** Takes away what is left. Twice is once. */
export function voidGrant(grant: Grant, at: Instant): Voided {
  if (grant.isVoid) return { outcome: 'unchanged' };
  if (hasExpired(grant, at)) return { outcome: 'ended', why: 'expired' };
  if (remainingOf(grant) === 0n) return { outcome: 'ended', why: 'exhausted' };
  const amount = freeOf(grant);
  return { outcome: 'voided', grant: { ...grant, isVoid: true, voided: grant.voided + amount }, amount };
}

/** Cash for so much of a paid grant: its share of what was paid, rounded down. */
export const cashOf = (grant: Grant, amount: bigint): bigint =>
  grant.amount === 0n ? 0n : (amount * grant.cost) / grant.amount;

/** Most cash that may go back for a grant now. */
export const refundable = (grant: Grant, at: Instant): bigint =>
  grant.kind !== 'paid' || grant.isVoid || hasExpired(grant, at) ? 0n : cashOf(grant, freeOf(grant));

export type Refunded =
  | ({ readonly outcome: 'refunded'; readonly cash: bigint } & Change)
  | { readonly outcome: 'refused'; readonly why: 'not_paid' | 'ended' | 'too_much' };

/** Gives unused paid value back; `amount` is of value, all that is free when absent. */
export function refundGrant(grant: Grant, amount: bigint | undefined, at: Instant): Refunded {
  if (grant.kind !== 'paid') return { outcome: 'refused', why: 'not_paid' };
  const free = freeOf(grant);
  if (grant.isVoid || hasExpired(grant, at) || free <= 0n) return { outcome: 'refused', why: 'ended' };
  const back = amount ?? free;
  if (back > free || back <= 0n) return { outcome: 'refused', why: 'too_much' };
  return {
    outcome: 'refunded',
    grant: { ...grant, refunded: grant.refunded + back },
    amount: back,
    cash: cashOf(grant, back),
  };
}

// ---------------------------------------------------------------- recurrence

export interface Recurrence {
  readonly every: 'day' | 'week' | 'month';
  /** No renewal at or after this instant. */
  readonly until?: Instant | undefined;
  /** What stays of the rest at a renewal; absent: the grant is filled up to its amount. */
  readonly rollover?: { readonly min: bigint; readonly max: bigint } | undefined;
  /** Use beyond the grants is taken from what a renewal brings. */
  readonly keepsOverage: boolean;
}

const DAY = 86_400_000;

/**
 * The renewal after an instant, counted from the grant's first day in UTC. A month that has no such day renews on its last.
 * Undefined when there is none any more.
 */
export function nextRenewal(first: Instant, recurrence: Recurrence, after: Instant): Instant | undefined {
  const next = recurrence.every === 'month' ? nextMonthly(first, after) : nextPeriodic(first, recurrence.every, after);
  return recurrence.until !== undefined && next >= recurrence.until ? undefined : next;
}

function nextPeriodic(first: Instant, every: 'day' | 'week', after: Instant): Instant {
  const span = every === 'week' ? 7 * DAY : DAY;
  return after < first ? first : addMs(first, (Math.floor((after - first) / span) + 1) * span);
}

function nextMonthly(first: Instant, after: Instant): Instant {
  if (after < first) return first;
  const begun = new Date(first);
  const then = new Date(after);
  const passed = (then.getUTCFullYear() - begun.getUTCFullYear()) * 12 + then.getUTCMonth() - begun.getUTCMonth();
  for (let months = Math.max(0, passed - 1); ; months += 1) {
    const next = monthsAfter(begun, months);
    if (next > after) return next;
  }
}

function monthsAfter(begun: Date, months: number): Instant {
  const year = begun.getUTCFullYear();
  const month = begun.getUTCMonth() + months;
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const timeOfDay = begun.getTime() % DAY;
  return instant(
    Date.UTC(year, month, Math.min(begun.getUTCDate(), lastDay)) + (timeOfDay < 0 ? timeOfDay + DAY : timeOfDay),
  );
}

export interface Renewal {
  readonly grant: Grant;
  /** What came to it; zero or more. */
  readonly added: bigint;
  /** What did not roll over; zero or more. */
  readonly dropped: bigint;
  /** Overage that what remains now pays for. */
  readonly paid: bigint;
}

/** Renews a grant. `overage` is what was used beyond the grants since the last time. What is held is never dropped. */
export function renewGrant(grant: Grant, recurrence: Recurrence, overage: bigint): Renewal {
  const remaining = remainingOf(grant);
  const { rollover } = recurrence;
  const wanted = rollover === undefined ? grant.amount : smaller(rollover.max, larger(rollover.min, remaining));
  const target = larger(wanted, grant.held);
  const added = target > remaining ? target - remaining : 0n;
  const dropped = target < remaining ? remaining - target : 0n;
  const paid = recurrence.keepsOverage ? smaller(overage, target - grant.held) : 0n;
  return {
    grant: {
      ...grant,
      granted: grant.granted + added,
      expired: grant.expired + dropped,
      consumed: grant.consumed + paid,
    },
    added,
    dropped,
    paid,
  };
}

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
