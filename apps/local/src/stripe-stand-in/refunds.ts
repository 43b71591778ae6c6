import type Stripe from 'stripe';
import { move } from './balance.js';
import { businessDaysLater, HOUR } from './clock.js';
import { invalidRequest, noSuch, wrongState } from './errors.js';
import { emit } from './events.js';
import { chargeOf, paymentIntentOf } from './found.js';
import { idOf, isAsked, listed } from './listing.js';
import { madeFrom } from './payment-methods.js';
import type { Call } from './call.js';
import type { World } from './world.js';

/** A refund to a bank account is on its way this many business days. */
const BANK_REFUND_DAYS = 3;
const REASONS = ['duplicate', 'fraudulent', 'requested_by_customer'] as const;

export const refunds = {
  create: ({ world, params }: Call): Stripe.Refund => {
    params.only('charge', 'payment_intent', 'amount', 'reason', 'metadata', 'instructions_email');
    const charge = chargeIn(world, params.text('charge'), params.text('payment_intent'));
    const reason = params.choice('reason', REASONS) ?? null;
    const metadata = params.metadata();
    const left = charge.amount_captured - charge.amount_refunded;
    const amount = params.whole('amount') ?? left;
    if (charge.status !== 'succeeded') throw wrongState('charge_not_refundable', 'This charge has not succeeded.');
    if (amount < 1) throw wrongOrDone(charge, left);
    if (charge.disputed && !isRefundable(world, charge)) {
      throw wrongState('charge_disputed', `Charge ${charge.id} has been charged back; cannot issue a refund.`);
    }
    if (left === 0) throw wrongOrDone(charge, left);
    if (amount > left)
      throw invalidRequest(`Refund amount is greater than unrefunded amount (${left}).`, 'amount', 'amount_too_large');
    return refund(world, charge, amount, reason, metadata);
  },

  retrieve: ({ world, id }: Call): Stripe.Refund => {
    return refundOf(world, id);
  },

  update: ({ world, params, id }: Call): Stripe.Refund => {
    params.only('metadata');
    const made = refundOf(world, id);
    const before = { metadata: made.metadata };
    made.metadata = params.metadata(made.metadata);
    emit(world, 'refund.updated', made, before);
    return made;
  },

  list: (call: Call): Stripe.ApiList<Stripe.Refund> => {
    const { params, world } = call;
    const created = params.range('created');
    const [charge, intent] = [params.text('charge'), params.text('payment_intent')];
    return listed(
      call,
      world.state.refunds,
      ['created', 'charge', 'payment_intent'],
      (one) => created(one.created) && isAsked(charge, one.charge) && isAsked(intent, one.payment_intent),
    );
  },
};

/** What became of a refund that was on its way, or of one that its bank sent back. */
export function settleRefund(world: World, id: string, succeeded: boolean): void {
  const made = refundOf(world, id);
  if (succeeded) {
    if (made.status !== 'pending') return;
    made.status = 'succeeded';
    made.pending_reason = undefined;
    emit(world, 'refund.updated', made, { status: 'pending' });
    return;
  }
  if (made.status === 'failed') return;
  const before = made.status;
  made.status = 'failed';
  made.failure_reason = 'expired_or_canceled_card';
  const charge = chargeOf(world, idOf(made.charge) ?? '');
  charge.amount_refunded -= made.amount;
  charge.refunded = false;
  made.failure_balance_transaction = move(world, {
    type: 'refund_failure',
    category: 'refund_failure',
    amount: made.amount,
    currency: made.currency,
    source: made.id,
    description: 'REFUND FAILURE',
    atOnce: true,
  }).id;
  emit(world, 'refund.updated', made, { status: before });
  emit(world, 'refund.failed', made);
}

function refund(
  world: World,
  charge: Stripe.Charge,
  amount: number,
  reason: Stripe.Refund.Reason | null,
  metadata: Stripe.Metadata,
): Stripe.Refund {
  const byCard = charge.payment_method_details?.type === 'card';
  const { test } = madeFrom(world, charge.payment_method ?? '');
  const pends = !byCard || test.refund === 'pending';
  const made: Stripe.Refund = {
    id: world.id(byCard ? 're' : 'pyr'),
    object: 'refund',
    amount,
    balance_transaction: null,
    charge: charge.id,
    created: world.clock.seconds(),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    destination_details: byCard ? { type: 'card', card: { type: 'refund' } } : { type: 'us_bank_transfer' },
    metadata,
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    pending_reason: pends ? 'processing' : undefined,
    reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: pends ? 'pending' : 'succeeded',
    transfer_reversal: null,
  };
  made.balance_transaction = move(world, {
    type: byCard ? 'refund' : 'payment_refund',
    category: 'refund',
    amount: -amount,
    currency: charge.currency,
    source: made.id,
    description: `REFUND FOR ${byCard ? 'CHARGE' : 'PAYMENT'}${charge.description === null ? '' : ` (${charge.description})`}`,
  }).id;
  world.state.refunds[made.id] = made;
  const before = { amount_refunded: charge.amount_refunded };
  charge.amount_refunded += amount;
  charge.refunded = charge.amount_refunded === charge.amount_captured;
  emit(world, 'refund.created', made);
  emit(world, 'charge.refunded', charge, before);
  const now = world.clock.now();
  if (pends) {
    const at = byCard ? now + HOUR : businessDaysLater(now, BANK_REFUND_DAYS);
    world.plan(at, { kind: 'refund_result', refund: made.id, succeeded: true });
  } else if (test.refund === 'fails') {
    world.plan(now + HOUR, { kind: 'refund_result', refund: made.id, succeeded: false });
  }
  return made;
}

function chargeIn(world: World, charge: string | undefined, intent: string | undefined): Stripe.Charge {
  if (charge !== undefined) return chargeOf(world, charge);
  if (intent === undefined)
    throw invalidRequest('One of charge and payment_intent is needed.', 'charge', 'parameter_missing');
  const latest = idOf(paymentIntentOf(world, intent).latest_charge);
  if (latest !== null) return chargeOf(world, latest);
  throw wrongState('payment_intent_unexpected_state', 'This PaymentIntent has no charge to refund.');
}

function isRefundable(world: World, charge: Stripe.Charge): boolean {
  return Object.values(world.state.disputes).every((one) => one.charge !== charge.id || one.is_charge_refundable);
}

function wrongOrDone(charge: Stripe.Charge, left: number) {
  return left === 0 && charge.amount_captured > 0
    ? wrongState('charge_already_refunded', `Charge ${charge.id} has already been refunded.`)
    : invalidRequest('Invalid positive integer', 'amount', 'parameter_invalid_integer');
}

function refundOf(world: World, id: string): Stripe.Refund {
  const made = world.state.refunds[id];
  if (made === undefined) throw noSuch('refund', id);
  return made;
}
