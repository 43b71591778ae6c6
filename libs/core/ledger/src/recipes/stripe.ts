import { type Amount, USD } from '@core/money';
import { type Entry, entry, type Leg } from '../entry.js';
import type { Place } from '../chart.js';
import { legsAtPar } from './at-par.js';
import {
  badDebt,
  bank,
  disputed,
  disputeFees,
  processorFees,
  promotions,
  refundsPayable,
  stripeAvailable,
  stripePending,
  unapplied,
} from './places.js';

/** Balance was bought on a page of Stripe's: its money is there, and not applied to a grant yet. Fees come with Stripe's own books. */
export const receiveCheckout = (bought: {
  readonly provider: string;
  readonly account: string;
  /** `cks_…` */
  readonly checkout: string;
  /** In US dollars. */
  readonly paid: Amount;
  /** What it buys, at par. */
  readonly value: Amount;
}): Entry =>
  entry(
    {
      provider: bought.provider,
      name: `checkout:${bought.checkout}`,
      reference: bought.checkout,
      reason: 'balance bought',
    },
    legsAtPar(
      'receipt',
      { place: stripePending(USD.id), amount: bought.paid },
      { place: unapplied(bought.value.asset, bought.account), amount: bought.value },
    ),
  );

/** A movement of the balance at Stripe, in the asset of its currency; signs as Stripe has them. */
export interface StripeMovement {
  readonly provider: string;
  readonly account: string | undefined;
  /** `txn_…` */
  readonly movement: string;
  /** Stripe's reporting category. */
  readonly category: string;
  readonly amount: Amount;
  readonly fee: Amount;
}

/** From one place to another, or back where the amount is negative. */
const signed = (leg: string, debit: Place, credit: Place, { asset, atomic }: Amount): Leg =>
  atomic < 0n
    ? { leg, debit: credit, credit: debit, amount: { asset, atomic: -atomic } }
    : { leg, debit, credit, amount: { asset, atomic } };

/**
 * What a movement means for the books beside the gross receipt, which was posted when the payment succeeded: its fee, and for refunds and
 * disputes the money that left or came back. Undefined: a movement that the books have no place for.
 */
export function postMovement(moved: StripeMovement): Entry | undefined {
  const { provider, account, movement, category, amount, fee } = moved;
  const { asset } = amount;
  const pending = stripePending(asset);
  const event = { provider, name: `stripe:${movement}`, reference: movement, reason: `${category} at Stripe` };
  const feeOf = (expense: Place): Leg => signed('fee', expense, pending, fee);
  switch (category) {
    case 'charge':
      return entry(event, [feeOf(processorFees(asset))]);
    case 'fee':
      // What Stripe takes by itself: the amount is the fee.
      return entry(event, [signed('charged', pending, processorFees(asset), amount), feeOf(processorFees(asset))]);
    case 'refund':
    case 'refund_failure':
      if (account === undefined) return undefined;
      return entry(event, [
        signed('refund', pending, refundsPayable(asset, account), amount),
        feeOf(processorFees(asset)),
      ]);
    case 'dispute':
    case 'dispute_reversal':
      if (account === undefined) return undefined;
      return entry(event, [signed('dispute', pending, disputed(asset, account), amount), feeOf(disputeFees(asset))]);
    default:
      return undefined;
  }
}

/** What was pending at Stripe can be paid out. */
export const makeAvailable = (of: Pick<StripeMovement, 'provider' | 'movement'> & { readonly net: Amount }): Entry =>
  entry(
    { provider: of.provider, name: `available:${of.movement}`, reference: of.movement, reason: 'available at Stripe' },
    [signed('available', stripeAvailable(of.net.asset), stripePending(of.net.asset), of.net)],
  );

/** A provider's share of what Stripe paid out to the bank; negative: it came back. */
export const payOut = (of: {
  readonly provider: string;
  /** `txn_…` of the payout, or of its failure. */
  readonly movement: string;
  readonly share: Amount;
}): Entry =>
  entry(
    { provider: of.provider, name: `payout:${of.movement}`, reference: of.movement, reason: 'paid out by Stripe' },
    [signed('payout', bank(of.share.asset), stripeAvailable(of.share.asset), of.share)],
  );

/** Money that goes back for a statement that was paid: what was earned is less by it, and it is owed until it has left. */
export const oweCardRefund = (refund: {
  readonly provider: string;
  readonly account: string;
  /** `crf_…` */
  readonly refund: string;
  /** In the statement's asset. */
  readonly value: Amount;
  readonly cents: Amount;
}): Entry =>
  entry(
    {
      provider: refund.provider,
      name: `card-refund:${refund.refund}`,
      reference: refund.refund,
      reason: 'refund of a statement',
    },
    legsAtPar(
      'owed',
      { place: promotions(refund.value.asset), amount: refund.value },
      { place: refundsPayable(refund.cents.asset, refund.account), amount: refund.cents },
    ),
  );

/** A dispute about balance was lost: what was left of the balance pays for it, what was used of it is a loss. */
export const loseCheckout = (lost: {
  readonly provider: string;
  readonly account: string;
  /** `dsp_…` */
  readonly dispute: string;
  /** In US dollars, and the parts of it at par in the asset of the balance. */
  readonly cents: Amount;
  readonly left: Amount;
  readonly used: Amount;
}): Entry => {
  const { asset } = lost.left;
  const whole = { asset, atomic: lost.left.atomic + lost.used.atomic };
  const [first, ...rest] = legsAtPar(
    'lost',
    { place: badDebt(asset), amount: whole },
    { place: disputed(lost.cents.asset, lost.account), amount: lost.cents },
  );
  return entry(
    {
      provider: lost.provider,
      name: `lose-checkout:${lost.dispute}`,
      reference: lost.dispute,
      reason: 'dispute about balance lost',
    },
    [
      ...(first ? [first] : []),
      ...rest,
      { leg: 'left', debit: unapplied(asset, lost.account), credit: badDebt(asset), amount: lost.left },
    ],
  );
};
