import { Fault } from '@core/faults';
import { addMs, type Instant } from '@core/time';
import { limitAlerts, fallingTo, type WalletAlert } from './alerts.js';
import { addUp, burn, drain, type Part, restore } from './burn.js';
import { freeOf, inBurnOrder, isUsable } from './grant.js';
import { budgetOf, type CountedIn, count, counterOf, fits, type Limit, limitVerdict, windowStart } from './limits.js';
import { availableFor, changeGrants, creditLeft, postedOf, type Wallet } from './wallet.js';

export type HoldState = 'held' | 'captured' | 'released' | 'expired';

/** Value set aside for one call. */
export interface Hold {
  readonly state: HoldState;
  /** Most that may be charged. */
  readonly amount: bigint;
  /** Charged even if nobody captures it: what a long answer has used so far. */
  readonly used: bigint;
  /** Name of the meter it is for. */
  readonly meter: string | undefined;
  /** What each grant set aside. */
  readonly parts: readonly Part[];
  /** What was set aside on credit. */
  readonly credit: bigint;
  /** The windows of limits it counts in: those of its beginning, whenever it ends. */
  readonly counted: readonly CountedIn[];
  readonly takenAt: Instant;
  readonly expiresAt: Instant;
}

export interface HoldRequest {
  readonly amount: bigint;
  readonly meter: string | undefined;
  /** Agent key that spends. */
  readonly key: string | undefined;
  /** Limits that are kept with the key. */
  readonly budgets: readonly Limit[];
  readonly ttlSeconds: number;
}

/** What is refused changes nothing. */
export type Refusal =
  | { readonly outcome: 'insufficient'; readonly available: bigint }
  | { readonly outcome: 'limit'; readonly limit: Limit; readonly left: bigint };

export type Taken = { readonly outcome: 'held'; readonly wallet: Wallet; readonly hold: Hold } | Refusal;

/** Sets value aside, from the grants that would be spent now, if it is there and no hard limit is passed. */
export function takeHold(wallet: Wallet, request: HoldRequest, at: Instant): Taken {
  const { amount, meter, key, budgets } = request;
  const limits = [...wallet.limits, ...budgets];
  const verdict = limitVerdict(limits, wallet.counters, { amount, meter, key }, at);
  if (!verdict.ok) return { outcome: 'limit', limit: verdict.limit, left: verdict.left };
  const { parts, overage } = burn(wallet.grants, { amount, meter }, at);
  if (overage > creditLeft(wallet)) return { outcome: 'insufficient', available: availableFor(wallet, meter, at) };
  const counted = verdict.applicable.map((limit): CountedIn => {
    const start = windowStart(limit.window, at);
    return budgets.includes(limit) && limit.hard
      ? { limit: limit.id, start, cap: limit.amount }
      : { limit: limit.id, start };
  });
  const hold: Hold = {
    state: 'held',
    amount,
    used: 0n,
    meter,
    parts,
    credit: overage,
    counted,
    takenAt: at,
    expiresAt: addMs(at, request.ttlSeconds * 1000),
  };
  return { outcome: 'held', wallet: setAside(wallet, parts, overage, counted, amount), hold };
}

/** Puts more aside (or, with negative amounts, gives it back). */
const setAside = (
  wallet: Wallet,
  parts: readonly Part[],
  credit: bigint,
  counted: readonly CountedIn[],
  amount: bigint,
): Wallet => ({
  ...wallet,
  grants: changeGrants(wallet.grants, parts, (grant, part) => ({ ...grant, held: grant.held + part })),
  creditHeld: wallet.creditHeld + credit,
  counters: count(wallet.counters, counted, { spent: 0n, held: amount }),
});

const giveBack = (wallet: Wallet, hold: Hold): Wallet =>
  setAside(
    wallet,
    hold.parts.map(({ grant, amount }) => ({ grant, amount: -amount })),
    -hold.credit,
    hold.counted,
    -hold.amount,
  );

export interface Captured {
  readonly wallet: Wallet;
  readonly hold: Hold;
  readonly charged: bigint;
  /** Which grants gave how much, in the order of giving: the lineage. */
  readonly consumed: readonly Part[];
  /** The part charged on credit. */
  readonly credit: bigint;
  /** What was asked for beyond what was held, and is not charged. */
  readonly excess: bigint;
  readonly alerts: readonly WalletAlert[];
}

/**
 * Charges a hold and lets the rest of it go. The grants give in burn order: those that were good when the hold was taken give what
 * is free and what it set aside with them; those that have ended since give what it set aside with them.
 * @throws Fault invariant_broken for a hold that has ended
 */
export function captureHold(wallet: Wallet, hold: Hold, asked: bigint, at: Instant): Captured {
  requireOpen(hold);
  const charged = asked < hold.amount ? asked : hold.amount;
  const freed = giveBack(wallet, hold);
  const own = new Map(hold.parts.map(({ grant, amount }) => [grant, amount]));
  const sources = [...freed.grants].sort(inBurnOrder).map((grant) => {
    const good = isUsable(grant, hold.meter, hold.takenAt) && isUsable(grant, hold.meter, at);
    return [grant.id, good ? freeOf(grant) : (own.get(grant.id) ?? 0n)] as const;
  });
  const { parts: consumed, overage: credit } = drain(sources, charged);
  if (credit > hold.credit) throw new Fault('invariant_broken', 'a hold set less aside than it is charged');
  const after: Wallet = {
    ...freed,
    grants: changeGrants(freed.grants, consumed, (grant, part) => ({ ...grant, consumed: grant.consumed + part })),
    owed: freed.owed + credit,
    counters: count(freed.counters, hold.counted, { spent: charged, held: 0n }),
  };
  return {
    wallet: after,
    hold: { ...hold, state: 'captured' },
    charged,
    consumed,
    credit,
    excess: asked - charged,
    alerts: charged === 0n ? [] : alertsOf(wallet, after),
  };
}

/** What a spend has to tell: a balance that fell to a threshold, a limit that was reached. */
export const alertsOf = (before: Wallet, after: Wallet): WalletAlert[] => [
  ...balanceAlerts(before, after),
  ...limitAlerts(after.limits, before.counters, after.counters),
];

function balanceAlerts(before: Wallet, after: Wallet): WalletAlert[] {
  if (after.alertBelow.length === 0) return [];
  const value = postedOf(after);
  return fallingTo(after.alertBelow, postedOf(before), value).map((threshold) => ({
    kind: 'balance_low',
    threshold,
    value,
  }));
}

export type Ended = { readonly wallet: Wallet; readonly hold: Hold };

/**
 * Lets a hold go, charging nothing.
 * @throws Fault invariant_broken for a hold that has ended
 */
export function releaseHold(wallet: Wallet, hold: Hold): Ended {
  requireOpen(hold);
  return { wallet: giveBack(wallet, hold), hold: { ...hold, state: 'released' } };
}

export type Expired = ({ readonly outcome: 'captured' } & Captured) | ({ readonly outcome: 'expired' } & Ended);

/** Ends a hold that nobody ended: what was used is charged. */
export function expireHold(wallet: Wallet, hold: Hold, at: Instant): Expired {
  if (hold.used > 0n) return { outcome: 'captured', ...captureHold(wallet, hold, hold.used, at) };
  const ended = releaseHold(wallet, hold);
  return { outcome: 'expired', wallet: ended.wallet, hold: { ...ended.hold, state: 'expired' } };
}

export interface Extension {
  /** Used so far, in all. */
  readonly used: bigint;
  /** To be covered, in all. */
  readonly amount: bigint;
  /** Counted from now; absent: the end stays. */
  readonly ttlSeconds?: number | undefined;
}

export type Extended = { readonly wallet: Wallet; readonly hold: Hold } & ({ readonly outcome: 'extended' } | Refusal);

/**
 * Fixes what was used so far and sets aside what is to be covered. Both are totals: the same again, or less, changes nothing. Where
 * no more can be set aside, what was used is fixed all the same, up to what is held.
 * @throws Fault invariant_broken for a hold that has ended
 */
export function extendHold(wallet: Wallet, hold: Hold, extension: Extension, at: Instant): Extended {
  requireOpen(hold);
  const { ttlSeconds } = extension;
  const wanted = larger(extension.amount, extension.used);
  const more = wanted - hold.amount;
  const expiresAt = ttlSeconds === undefined ? hold.expiresAt : later(hold.expiresAt, addMs(at, ttlSeconds * 1000));
  const stays: Hold = { ...hold, used: larger(hold.used, smaller(extension.used, hold.amount)) };
  if (more <= 0n) return { outcome: 'extended', wallet, hold: { ...stays, expiresAt } };
  const broken = brokenCap(wallet, hold, more);
  if (broken) return { ...broken, wallet, hold: stays };
  const { parts, overage } = burn(wallet.grants, { amount: more, meter: hold.meter }, at);
  if (overage > creditLeft(wallet))
    return { outcome: 'insufficient', available: availableFor(wallet, hold.meter, at), wallet, hold: stays };
  return {
    outcome: 'extended',
    wallet: setAside(wallet, parts, overage, hold.counted, more),
    hold: {
      ...hold,
      used: larger(hold.used, extension.used),
      amount: wanted,
      parts: addUp([...hold.parts, ...parts]),
      credit: hold.credit + overage,
      expiresAt,
    },
  };
}

/** The hard limit that so much more would pass, in the windows that the hold counts in. */
function brokenCap(wallet: Wallet, hold: Hold, more: bigint): Extract<Refusal, { outcome: 'limit' }> | undefined {
  for (const { limit: id, start, cap } of hold.counted) {
    const limit = wallet.limits.find((one) => one.id === id && one.hard);
    const most = cap ?? limit?.amount;
    if (most === undefined) continue;
    const counter = counterOf(wallet.counters, id, start);
    if (fits(counter, most, more)) continue;
    const left = larger(0n, most - counter.spent - counter.held);
    return { outcome: 'limit', limit: limit ?? budgetOf(id, most), left };
  }
  return undefined;
}

export interface Reversed {
  readonly wallet: Wallet;
  /** What each grant gets back, the last to give first. */
  readonly restored: readonly Part[];
  /** What is no longer on credit. */
  readonly credit: bigint;
  /** Of that, what the wallet did not owe any more, as it is on a statement or was paid: owed less elsewhere. */
  readonly billed: bigint;
}

/** A captured hold: what it was charged, and what reversals took back of that. */
export interface Charge {
  readonly charged: bigint;
  /** Of the grants, in the order of giving, less what was restored. */
  readonly lineage: readonly Part[];
  /** Of the charge, what is still on credit. */
  readonly credit: bigint;
  readonly counted: readonly CountedIn[];
}

/** Takes a charge back, in part or whole: credit first, as it came last, then the grants, the last one first. */
export function reverseCharge(wallet: Wallet, charge: Charge, amount: bigint): Reversed {
  const credit = smaller(charge.credit, amount);
  const owed = smaller(credit, wallet.owed);
  const { parts, overage } = restore(charge.lineage, amount - credit);
  if (overage > 0n) throw new Fault('invariant_broken', 'more is taken back than was charged');
  return {
    wallet: {
      ...wallet,
      grants: changeGrants(wallet.grants, parts, (grant, part) => ({ ...grant, consumed: grant.consumed - part })),
      owed: wallet.owed - owed,
      counters: count(wallet.counters, charge.counted, { spent: -amount, held: 0n }),
    },
    restored: parts,
    credit,
    billed: credit - owed,
  };
}

function requireOpen(hold: Hold): void {
  if (hold.state !== 'held') throw new Fault('invariant_broken', `a hold that is ${hold.state} cannot change`);
}

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const later = (a: Instant, b: Instant): Instant => (a > b ? a : b);
