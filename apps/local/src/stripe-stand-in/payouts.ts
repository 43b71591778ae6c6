import { createHash } from 'node:crypto';
import type Stripe from 'stripe';
import { availableIn, move } from './balance.js';
import { businessDaysLater, HOUR } from './clock.js';
import { invalidRequest, wrongState } from './errors.js';
import { emit } from './events.js';
import { payoutOf } from './found.js';
import { listed } from './listing.js';
import type { Call } from './call.js';
import type { World } from './world.js';

export const payouts = {
  create: ({ world, params }: Call): Stripe.Payout => {
    params.only(
      'amount',
      'currency',
      'description',
      'destination',
      'metadata',
      'method',
      'source_type',
      'statement_descriptor',
    );
    if (!params.has('amount')) params.need('amount');
    const currency = params.need('currency').toLowerCase();
    const amount = params.whole('amount') ?? 0;
    const metadata = params.metadata();
    if (amount < 1) throw invalidRequest('Invalid positive integer', 'amount', 'parameter_invalid_integer');
    if (amount > availableIn(world, currency)) {
      throw wrongState('balance_insufficient', 'You have insufficient funds in your balance for this payout.');
    }
    const payout = open(world, {
      amount,
      currency,
      automatic: false,
      metadata,
      description: params.text('description') ?? null,
    });
    payout.balance_transaction = leave(world, payout);
    emit(world, 'payout.created', payout);
    return payout;
  },

  retrieve: ({ world, id }: Call): Stripe.Payout => {
    return payoutOf(world, id);
  },

  update: ({ world, params, id }: Call): Stripe.Payout => {
    params.only('metadata');
    const payout = payoutOf(world, id);
    const before = { metadata: payout.metadata };
    payout.metadata = params.metadata(payout.metadata);
    emit(world, 'payout.updated', payout, before);
    return payout;
  },

  cancel: ({ world, id }: Call): Stripe.Payout => {
    const payout = payoutOf(world, id);
    if (payout.status !== 'pending' || payout.automatic) {
      throw wrongState('payout_not_cancelable', 'Only a manual payout that is still pending can be canceled.');
    }
    payout.status = 'canceled';
    comeBack(world, payout, 'payout_cancel');
    emit(world, 'payout.canceled', payout);
    return payout;
  },

  list: (call: Call): Stripe.ApiList<Stripe.Payout> => {
    const { params, world } = call;
    const created = params.range('created');
    const arrival = params.range('arrival_date');
    const status = params.text('status');
    return listed(
      call,
      world.state.payouts,
      ['created', 'arrival_date', 'status'],
      (one) => created(one.created) && arrival(one.arrival_date) && (status === undefined || one.status === status),
    );
  },
};

/** The automatic payout of a day: everything available that no payout has carried yet, per currency, if it is more than 0. */
export function payOut(world: World): void {
  const { balanceTransactions, paidOutBy } = world.state;
  const waiting = new Map<string, Stripe.BalanceTransaction[]>();
  for (const transaction of Object.values(balanceTransactions)) {
    if (transaction.status !== 'available' || paidOutBy[transaction.id] !== undefined) continue;
    waiting.set(transaction.currency, [...(waiting.get(transaction.currency) ?? []), transaction]);
  }
  for (const [currency, transactions] of waiting) {
    const amount = transactions.reduce((sum, { net }) => sum + net, 0);
    if (amount <= 0) continue;
    const payout = open(world, { amount, currency, automatic: true, metadata: {}, description: 'STAND-IN PAYOUT' });
    for (const { id } of transactions) paidOutBy[id] = payout.id;
    payout.balance_transaction = leave(world, payout);
    paidOutBy[payout.balance_transaction] = payout.id;
    emit(world, 'payout.created', payout);
  }
}

export function sendPayout(world: World, id: string): void {
  const payout = payoutOf(world, id);
  if (payout.status !== 'pending') return;
  payout.status = 'in_transit';
  emit(world, 'payout.updated', payout, { status: 'pending' });
}

export function landPayout(world: World, id: string): void {
  const payout = payoutOf(world, id);
  if (payout.status !== 'in_transit') return;
  payout.status = 'paid';
  emit(world, 'payout.paid', payout);
  if (!payout.automatic) return;
  payout.reconciliation_status = 'completed';
  emit(world, 'payout.reconciliation_completed', payout);
}

/** The bank sent the payout back: the money is in the balance again. */
export function failPayout(world: World, id: string): Stripe.Payout {
  const payout = payoutOf(world, id);
  if (payout.status === 'failed' || payout.status === 'canceled')
    throw wrongState('payout_failed', 'It is over already.');
  payout.status = 'failed';
  payout.failure_code = 'account_closed';
  payout.failure_message = 'The bank account has been closed.';
  payout.failure_balance_transaction = comeBack(world, payout, 'payout_failure');
  emit(world, 'payout.failed', payout);
  return payout;
}

function leave(world: World, payout: Stripe.Payout): string {
  const { amount, currency, id } = payout;
  return move(world, {
    type: 'payout',
    category: 'payout',
    amount: -amount,
    currency,
    source: id,
    description: payout.description,
  }).id;
}

function comeBack(world: World, payout: Stripe.Payout, type: 'payout_failure' | 'payout_cancel'): string {
  const { amount, currency, id } = payout;
  return move(world, {
    type,
    category: 'payout_reversal',
    amount,
    currency,
    source: id,
    description: type.toUpperCase(),
    atOnce: true,
  }).id;
}

interface Wish {
  readonly amount: number;
  readonly currency: string;
  readonly automatic: boolean;
  readonly metadata: Stripe.Metadata;
  readonly description: string | null;
}

function open(world: World, { amount, currency, automatic, metadata, description }: Wish): Stripe.Payout {
  const now = world.clock.now();
  const arrival = businessDaysLater(now, 1);
  const payout: Stripe.Payout = {
    id: world.id('po'),
    object: 'payout',
    amount,
    application_fee: null,
    application_fee_amount: null,
    arrival_date: Math.floor(arrival / 1000),
    automatic,
    balance_transaction: null,
    created: world.clock.seconds(),
    currency,
    description,
    destination: `ba_${createHash('sha256').update(world.state.salt).digest('hex').slice(0, 24)}`,
    failure_balance_transaction: null,
    failure_code: null,
    failure_message: null,
    livemode: false,
    metadata,
    method: 'standard',
    original_payout: null,
    payout_method: null,
    reconciliation_status: automatic ? 'in_progress' : 'not_applicable',
    reversed_by: null,
    source_type: 'card',
    statement_descriptor: null,
    status: 'pending',
    trace_id: null,
    type: 'bank_account',
  };
  world.state.payouts[payout.id] = payout;
  world.plan(now + 6 * HOUR, { kind: 'payout_leaves', payout: payout.id });
  world.plan(arrival, { kind: 'payout_arrives', payout: payout.id });
  return payout;
}
