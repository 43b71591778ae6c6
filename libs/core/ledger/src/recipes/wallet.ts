import { type Amount, subtractAmounts } from '@core/money';
import { type Entry, entry, type Leg } from '../entry.js';
import type { PaidCharge } from './payments.js';
import {
  badDebt,
  breakage,
  givenAway,
  givenAwayContra,
  prepaid,
  promotions,
  receivable,
  refundsPayable,
  revenue,
  unapplied,
  wallet,
} from './places.js';
import { receiveUnapplied } from './unapplied.js';

/** A grant as the books know it: value that was paid for is a debt until it is used, value given away is a memo until then. */
interface BookedGrant {
  readonly provider: string;
  readonly account: string;
  /** `grt_…` */
  readonly grant: string;
  readonly isPaid: boolean;
}

/** So much of one grant. */
interface GrantShare {
  readonly grant: string;
  readonly isPaid: boolean;
  readonly amount: Amount;
}

const memo = (leg: string, { account, grant }: Pick<BookedGrant, 'account' | 'grant'>, of: Amount): Leg => ({
  leg,
  debit: givenAway(of.asset, account, grant),
  credit: givenAwayContra(of.asset, account, grant),
  amount: of,
});

const memoBack = (leg: string, { account, grant }: Pick<BookedGrant, 'account' | 'grant'>, of: Amount): Leg => ({
  leg,
  debit: givenAwayContra(of.asset, account, grant),
  credit: givenAway(of.asset, account, grant),
  amount: of,
});

/** Value was granted. What was paid for it leaves the receipts that were not applied yet; a discount is a cost of promotion. */
export function issueGrant(given: BookedGrant & { readonly value: Amount; readonly cost: Amount }): Entry {
  const { provider, account, grant, value, cost } = given;
  const event = { provider, name: `grant:${grant}`, reference: grant, reason: 'value granted' };
  if (!given.isPaid) return entry(event, [memo('memo', given, value)]);
  const debt = prepaid(value.asset, account, grant);
  return entry(event, [
    { leg: 'receipt', debit: unapplied(value.asset, account), credit: debt, amount: cost },
    { leg: 'discount', debit: promotions(value.asset), credit: debt, amount: subtractAmounts(value, cost) },
  ]);
}

/**
 * A charge was paid with prepaid value: earned, owed by the account, and paid from each grant. What no grant paid stays owed.
 * Use of value given away is a cost of promotion, and its memo goes.
 */
export function spendGrants(spent: {
  provider: string;
  account: string;
  /** `hld_…` */
  hold: string;
  meter: string;
  charged: Amount;
  shares: readonly GrantShare[];
}): Entry {
  const { provider, account, hold, charged } = spent;
  return entry({ provider, name: `capture:${hold}`, reference: hold, reason: 'request served' }, [
    {
      leg: 'charge',
      debit: receivable(charged.asset, account),
      credit: revenue(charged.asset, spent.meter),
      amount: charged,
    },
    ...spent.shares.flatMap((share) => payFrom(account, share)),
  ]);
}

const payFrom = (account: string, { grant, isPaid, amount: paid }: GrantShare): Leg[] => {
  const owed = receivable(paid.asset, account);
  if (isPaid)
    return [{ leg: `payment:${grant}`, debit: prepaid(paid.asset, account, grant), credit: owed, amount: paid }];
  return [
    { leg: `payment:${grant}`, debit: promotions(paid.asset), credit: owed, amount: paid },
    memoBack(`memo:${grant}`, { account, grant }, paid),
  ];
};

/** A charge was taken back, in part or whole: to the grants that had paid it; what was on credit is owed no longer. */
export function restoreGrants(back: {
  provider: string;
  account: string;
  hold: string;
  /** All that was taken back of this charge, this time included: sets one reversal apart from the next. */
  total: bigint;
  meter: string;
  amount: Amount;
  shares: readonly GrantShare[];
}): Entry {
  const { provider, account, hold } = back;
  const event = { provider, name: `restore:${hold}:${back.total}`, reference: hold, reason: 'charge taken back' };
  return entry(event, [
    {
      leg: 'charge',
      debit: revenue(back.amount.asset, back.meter),
      credit: receivable(back.amount.asset, account),
      amount: back.amount,
    },
    ...back.shares.flatMap((share) =>
      payFrom(account, share).map((leg): Leg => ({ ...leg, debit: leg.credit, credit: leg.debit })),
    ),
  ]);
}

/** What was left is over: paid value becomes breakage. `total`: all that ended this way, this time included. */
export function expireGrant(ended: BookedGrant & { readonly value: Amount; readonly total: bigint }): Entry {
  const { provider, account, grant, value } = ended;
  const event = { provider, name: `expire:${grant}:${ended.total}`, reference: grant, reason: 'value expired' };
  if (!ended.isPaid) return entry(event, [memoBack('memo', ended, value)]);
  return entry(event, [
    { leg: 'breakage', debit: prepaid(value.asset, account, grant), credit: breakage(value.asset), amount: value },
  ]);
}

/** What was left was taken away: its money is a receipt applied to nothing again. `total` as above. */
export function voidGrant(ended: BookedGrant & { value: Amount; cash: Amount; total: bigint }): Entry {
  const { provider, account, grant, value, cash } = ended;
  const event = { provider, name: `void:${grant}:${ended.total}`, reference: grant, reason: 'grant voided' };
  if (!ended.isPaid) return entry(event, [memoBack('memo', ended, value)]);
  const debt = prepaid(value.asset, account, grant);
  return entry(event, [
    { leg: 'receipt', debit: debt, credit: unapplied(value.asset, account), amount: cash },
    { leg: 'discount', debit: debt, credit: promotions(value.asset), amount: subtractAmounts(value, cash) },
  ]);
}

/** Unused paid value goes back: the money is owed until it is sent; a discount on it never was a cost. */
export function refundGrant(
  back: Omit<BookedGrant, 'isPaid'> & { refund: string; value: Amount; cash: Amount },
): Entry {
  const { provider, account, grant, refund, value, cash } = back;
  const debt = prepaid(value.asset, account, grant);
  return entry({ provider, name: `refund:${refund}`, reference: refund, reason: 'refund owed' }, [
    { leg: 'cash', debit: debt, credit: refundsPayable(value.asset, account), amount: cash },
    { leg: 'discount', debit: debt, credit: promotions(value.asset), amount: subtractAmounts(value, cash) },
  ]);
}

/** Value given away was renewed: filled up, cut to what rolls over, and used for what had been owed beyond it. */
export function renewGrant(renewed: {
  provider: string;
  account: string;
  grant: string;
  /** Names the renewal, e.g. its instant. */
  renewal: string;
  added: Amount;
  dropped: Amount;
  paid: Amount;
}): Entry {
  const { provider, account, grant, renewal, added, dropped, paid } = renewed;
  const event = { provider, name: `renew:${grant}:${renewal}`, reference: grant, reason: 'grant renewed' };
  return entry(event, [
    memo('added', renewed, added),
    memoBack('dropped', renewed, dropped),
    ...payFrom(account, { grant, isPaid: false, amount: paid }),
  ]);
}

/** Balance was bought: its payment is on its way, and what it pays for is not given yet. */
export const captureTopUp = (paid: PaidCharge): Entry => receiveUnapplied(paid, 'balance bought');

/**
 * Balance given before its payment was final was used, and the payment failed: that much is lost. `change` is what came to the
 * loss, or with a minus went from it because a charge was taken back; `step` counts the changes.
 */
export function loseTopUp(lost: {
  provider: string;
  account: string;
  /** `top_…` */
  topUp: string;
  step: number;
  change: Amount;
}): Entry {
  const { provider, account, topUp, step, change } = lost;
  const event = { provider, name: `lose:${topUp}:${step}`, reference: topUp, reason: 'provisional balance was used' };
  const loss = badDebt(change.asset);
  const receipt = unapplied(change.asset, account);
  return change.atomic < 0n
    ? entry(event, [
        { leg: 'return', debit: receipt, credit: loss, amount: { asset: change.asset, atomic: -change.atomic } },
      ])
    : entry(event, [{ leg: 'loss', debit: loss, credit: receipt, amount: change }]);
}

/** A refund was owed for value whose payment failed after all: nothing goes back of what never came. */
export const cancelRefund = (refund: { provider: string; account: string; refund: string; cash: Amount }): Entry =>
  entry(
    {
      provider: refund.provider,
      name: `cancel:${refund.refund}`,
      reference: refund.refund,
      reason: 'what was to be refunded was never paid',
    },
    [
      {
        leg: 'cash',
        debit: refundsPayable(refund.cash.asset, refund.account),
        credit: unapplied(refund.cash.asset, refund.account),
        amount: refund.cash,
      },
    ],
  );

/** The transfer of a refund was seen in a final block: what was owed has left the provider's wallet. `payer` is that wallet. */
export const settleRefund = (paid: PaidCharge & { readonly payer: string }): Entry =>
  entry({ provider: paid.provider, name: `settle:${paid.payment}`, reference: paid.payment, reason: 'refund final' }, [
    {
      leg: 'refund',
      debit: refundsPayable(paid.charged.asset, paid.account),
      credit: wallet(paid.charged.asset, paid.payer),
      amount: paid.charged,
    },
  ]);
