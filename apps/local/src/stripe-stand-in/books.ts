import type Stripe from 'stripe';
import { balanceOf } from './balance.js';
import { idOf } from './listing.js';
import type { World } from './world.js';

/** Sums of one currency, in minor units. `balance` = charged − refunded − withdrawn + reinstated − fees − paidOut. */
export interface Sums {
  charged: number;
  refunded: number;
  withdrawn: number;
  reinstated: number;
  fees: number;
  paidOut: number;
  available: number;
  pending: number;
  balance: number;
}

/** Everything the LOCAL STAND-IN has on its books, copied: for a checker that compares it with other books. */
export interface Books {
  readonly now: number;
  readonly sums: Readonly<Record<string, Sums>>;
  readonly balance: Stripe.Balance;
  readonly customers: readonly (Stripe.Customer | Stripe.DeletedCustomer)[];
  readonly paymentMethods: readonly Stripe.PaymentMethod[];
  readonly mandates: readonly Stripe.Mandate[];
  readonly setupIntents: readonly Stripe.SetupIntent[];
  readonly paymentIntents: readonly Stripe.PaymentIntent[];
  readonly charges: readonly Stripe.Charge[];
  readonly refunds: readonly Stripe.Refund[];
  readonly disputes: readonly Stripe.Dispute[];
  readonly payouts: readonly Stripe.Payout[];
  readonly sessions: readonly Stripe.Checkout.Session[];
  readonly balanceTransactions: readonly Stripe.BalanceTransaction[];
  readonly events: readonly Stripe.EventBase[];
  readonly webhooks: World['state']['webhookCounts'];
  /** Deliveries that are still to be made or made again. */
  readonly deliveriesWaiting: number;
}

export function booksOf(world: World): Books {
  const { state } = world;
  return structuredClone({
    now: world.clock.now(),
    sums: sumsOf(world),
    balance: balanceOf(world),
    customers: Object.values(state.customers),
    paymentMethods: Object.values(state.paymentMethods),
    mandates: Object.values(state.mandates),
    setupIntents: Object.values(state.setupIntents),
    paymentIntents: Object.values(state.paymentIntents),
    charges: Object.values(state.charges),
    refunds: Object.values(state.refunds),
    disputes: Object.values(state.disputes),
    payouts: Object.values(state.payouts),
    sessions: Object.values(state.sessions),
    balanceTransactions: Object.values(state.balanceTransactions),
    events: Object.values(state.events),
    webhooks: state.webhookCounts,
    deliveriesWaiting: Object.keys(state.deliveries).length,
  });
}

/** The charges that hold money taken from a payer for this metadata: how often something was paid, whatever was answered. */
export function successesFor(world: World, key: string, value: string): Stripe.Charge[] {
  return structuredClone(
    Object.values(world.state.charges).filter((charge) => {
      const intent = world.state.paymentIntents[idOf(charge.payment_intent) ?? ''];
      return charge.status === 'succeeded' && charge.captured && intent?.metadata[key] === value;
    }),
  );
}

/** By walking the objects, not the balance transactions, except for fees: the two must agree. */
function sumsOf({ state }: World): Record<string, Sums> {
  const all: Record<string, Sums> = {};
  const of = (currency: string): Sums => (all[currency] ??= noSums());
  for (const { status, captured, amount_captured: amount, currency } of Object.values(state.charges)) {
    if (status === 'succeeded' && captured) of(currency).charged += amount;
  }
  for (const { status, amount, currency } of Object.values(state.refunds)) {
    if (status !== 'failed' && status !== 'canceled') of(currency).refunded += amount;
  }
  for (const { status, amount, currency } of Object.values(state.disputes)) {
    if (!status.startsWith('warning')) of(currency).withdrawn += amount;
    if (status === 'won') of(currency).reinstated += amount;
  }
  for (const { status, amount, currency } of Object.values(state.payouts)) {
    if (status !== 'failed' && status !== 'canceled') of(currency).paidOut += amount;
  }
  for (const { type, fee, net, amount, status, currency } of Object.values(state.balanceTransactions)) {
    const sums = of(currency);
    sums.fees += type === 'stripe_fee' ? -amount : fee;
    sums.balance += net;
    if (status === 'available') sums.available += net;
    else sums.pending += net;
  }
  return all;
}

function noSums(): Sums {
  const none = { charged: 0, refunded: 0, withdrawn: 0, reinstated: 0, fees: 0, paidOut: 0 };
  return { ...none, available: 0, pending: 0, balance: 0 };
}
