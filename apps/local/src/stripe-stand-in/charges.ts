import type Stripe from 'stripe';
import { move } from './balance.js';
import { emit } from './events.js';
import { FAILED_DEBIT_FEE, feeFor } from './fees.js';
import { chargeOf } from './found.js';
import { isAsked, listed } from './listing.js';
import { madeFrom } from './payment-methods.js';
import type { Call } from './call.js';
import { searched } from './search.js';
import type { World } from './world.js';

export const charges = {
  retrieve: ({ world, id }: Call): Stripe.Charge => {
    return chargeOf(world, id, 'id');
  },

  update: ({ world, params, id }: Call): Stripe.Charge => {
    params.only('metadata', 'description');
    const charge = chargeOf(world, id, 'id');
    const before = { metadata: charge.metadata };
    charge.metadata = params.metadata(charge.metadata);
    if (params.has('description')) charge.description = params.text('description') ?? null;
    emit(world, 'charge.updated', charge, before);
    return charge;
  },

  list: (call: Call): Stripe.ApiList<Stripe.Charge> => {
    const { params, world } = call;
    const created = params.range('created');
    const [customer, intent] = [params.text('customer'), params.text('payment_intent')];
    return listed(
      call,
      world.state.charges,
      ['created', 'customer', 'payment_intent'],
      (one) => created(one.created) && isAsked(customer, one.customer) && isAsked(intent, one.payment_intent),
    );
  },

  search: (call: Call): Stripe.ApiSearchResult<Stripe.Charge> => {
    return searched(call, call.world.state.charges, {
      amount: (charge) => charge.amount,
      created: (charge) => charge.created,
      currency: (charge) => charge.currency,
      customer: (charge) => (typeof charge.customer === 'string' ? charge.customer : null),
      status: (charge) => charge.status,
    });
  },
};

/** A new attempt to move money. It has not succeeded yet, and nothing has moved. */
export function newCharge(world: World, intent: Stripe.PaymentIntent, method: Stripe.PaymentMethod): Stripe.Charge {
  const charge: Stripe.Charge = {
    id: world.id(method.type === 'card' ? 'ch' : 'py'),
    object: 'charge',
    amount: intent.amount,
    amount_captured: 0,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null,
    billing_details: { ...method.billing_details },
    calculated_statement_descriptor: 'STRIPE STAND-IN',
    captured: false,
    created: world.clock.seconds(),
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: null,
    failure_message: null,
    fraud_details: {},
    livemode: false,
    metadata: { ...intent.metadata },
    on_behalf_of: null,
    outcome: null,
    paid: false,
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: detailsOf(world, method),
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: null,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: intent.statement_descriptor,
    statement_descriptor_suffix: intent.statement_descriptor_suffix,
    status: 'pending',
    transfer_data: null,
    transfer_group: null,
  };
  world.state.charges[charge.id] = charge;
  return charge;
}

/** The money is ours, less the fee. */
export function succeed(world: World, charge: Stripe.Charge, amount: number): void {
  charge.amount_captured = amount;
  charge.captured = true;
  charge.paid = true;
  charge.status = 'succeeded';
  charge.outcome = outcome('authorized', 'approved_by_network', null, 'Payment complete.');
  const later = charge.payment_method_details?.type === 'card' ? world.postingLagMs : 0;
  if (later === 0) writeTransaction(world, charge);
  else world.plan(world.clock.now() + later, { kind: 'charge_posted', charge: charge.id });
  emit(world, 'charge.succeeded', charge);
}

/** The balance transaction of a charge that was left without one. */
export function postCharge(world: World, id: string): void {
  const charge = chargeOf(world, id);
  if (charge.balance_transaction !== null) return;
  writeTransaction(world, charge);
  emit(world, 'charge.updated', charge, { balance_transaction: null });
}

function writeTransaction(world: World, charge: Stripe.Charge): void {
  const type = charge.payment_method_details?.type ?? 'card';
  charge.balance_transaction = move(world, {
    type: type === 'card' ? 'charge' : 'payment',
    category: 'charge',
    amount: charge.amount_captured,
    fee: feeFor(charge.amount_captured, type),
    currency: charge.currency,
    source: charge.id,
    description: charge.description,
    atOnce: madeFrom(world, charge.payment_method ?? '').test.bypassPending === true,
  }).id;
}

export interface Failure {
  readonly code: string;
  readonly declineCode: string | null;
  readonly message: string;
}

/** It came to nothing. A bank debit that failed costs its fee all the same. */
export function fail(world: World, charge: Stripe.Charge, failure: Failure): void {
  charge.status = 'failed';
  charge.paid = false;
  charge.failure_code = failure.code;
  charge.failure_message = failure.message;
  charge.outcome = outcome(
    'issuer_declined',
    'declined_by_network',
    failure.declineCode ?? failure.code,
    failure.message,
  );
  if (charge.payment_method_details?.type === 'us_bank_account') {
    move(world, {
      type: 'stripe_fee',
      category: 'fee',
      amount: -FAILED_DEBIT_FEE,
      currency: charge.currency,
      source: null,
      description: `Failed ACH Direct Debit (${charge.id})`,
    });
  }
  emit(world, 'charge.failed', charge);
}

function outcome(type: string, network: string, reason: string | null, message: string): Stripe.Charge.Outcome {
  return {
    advice_code: null,
    network_advice_code: null,
    network_decline_code: null,
    network_status: network,
    reason,
    risk_level: 'normal',
    seller_message: message,
    type,
  };
}

function detailsOf(world: World, method: Stripe.PaymentMethod): Stripe.Charge.PaymentMethodDetails {
  const mandate = world.state.madeFrom[method.id]?.mandate ?? null;
  const { card, us_bank_account: bank, sepa_debit: sepa } = method;
  if (bank !== undefined) {
    const { account_holder_type, account_type, bank_name, fingerprint, last4, routing_number } = bank;
    const known = { account_holder_type, account_type, bank_name, fingerprint, last4, routing_number };
    return {
      type: 'us_bank_account',
      us_bank_account: { ...known, payment_reference: null, mandate: mandate ?? undefined },
    };
  }
  if (sepa !== undefined) {
    const { bank_code, branch_code, country, fingerprint, last4 } = sepa;
    return { type: 'sepa_debit', sepa_debit: { bank_code, branch_code, country, fingerprint, last4, mandate } };
  }
  return {
    type: 'card',
    card: {
      amount_authorized: null,
      authorization_code: null,
      brand: card?.brand ?? null,
      checks: card?.checks ?? null,
      country: card?.country ?? null,
      electronic_commerce_indicator: null,
      exp_month: card?.exp_month ?? 0,
      exp_year: card?.exp_year ?? 0,
      fingerprint: card?.fingerprint,
      funding: card?.funding ?? null,
      installments: null,
      last4: card?.last4 ?? null,
      mandate: null,
      network: card?.brand ?? null,
      network_transaction_id: null,
      regulated_status: card?.regulated_status ?? null,
      three_d_secure: null,
      transaction_link_id: null,
      wallet: null,
    },
  };
}
