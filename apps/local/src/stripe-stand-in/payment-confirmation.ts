import type Stripe from 'stripe';
import { fail, newCharge, succeed } from './charges.js';
import type { Failure } from './charges.js';
import { businessDaysLater, DAY, MINUTE } from './clock.js';
import { cardError, invalidRequest, wrongState } from './errors.js';
import { emit } from './events.js';
import { openDispute } from './disputes.js';
import { paymentIntentOf } from './found.js';
import { idOf } from './listing.js';
import { activeMandateOf, endMandate, grantMandate } from './mandates.js';
import type { Params } from './params.js';
import { attachTo, madeFrom, paymentMethodOf } from './payment-methods.js';
import { settleSession } from './session-outcome.js';
import type { World } from './world.js';

/** A bank debit is answered on the fourth business day; the quick SEPA ones after three minutes. */
const DEBIT_DAYS = 4;
/** A test method that is disputed is disputed this long after its success. */
const DISPUTE_AFTER = DAY;

/** Tries to move the money of a payment that has its method. Throws the card error after the attempt is on record. */
export function confirmPayment(world: World, intent: Stripe.PaymentIntent, params: Params): Stripe.PaymentIntent {
  const id = idOf(intent.payment_method);
  if (id === null) {
    throw wrongState(
      'payment_intent_unexpected_state',
      'You cannot confirm this PaymentIntent because it is missing a payment method.',
      { payment_intent: intent },
    );
  }
  const method = paymentMethodOf(world, id);
  const { memory, test } = madeFrom(world, id);
  if (isOffSession(params) && method.customer === null) {
    throw invalidRequest(
      'An off-session payment needs a PaymentMethod that is attached to the Customer.',
      'payment_method',
    );
  }
  if (test.type !== 'card') requireMandate(world, intent, method, params);
  intent.last_payment_error = null;
  intent.next_action = null;
  const asks = test.authentication === 'always' || (test.authentication === 'until_set_up' && !memory.authenticated);
  if (asks && (isOffSession(params) || params.flag('error_on_requires_action') === true)) {
    return refuse(world, intent, method, authenticationRequired);
  }
  if (asks) return askForAuthentication(world, intent, params.text('return_url') ?? null);
  return carryOut(world, intent, method);
}

/** `true`, or a word for why the payer is not there (`recurring`, `one_off`). */
export function isOffSession(params: Params): boolean {
  return !['false', undefined].includes(params.text('off_session'));
}

/** The payer came back from 3-D Secure. */
export function authenticatePayment(world: World, id: string, succeeded: boolean): Stripe.PaymentIntent {
  const intent = paymentIntentOf(world, id);
  if (intent.status !== 'requires_action') throw invalidRequest('Nothing asks for authentication.', 'payment_intent');
  const method = paymentMethodOf(world, idOf(intent.payment_method) ?? '');
  intent.next_action = null;
  if (succeeded) {
    madeFrom(world, method.id).memory.authenticated = true;
    return carryOut(world, intent, method);
  }
  putBack(world, intent, method, {
    code: 'payment_intent_authentication_failure',
    declineCode: null,
    message: 'The provided PaymentMethod has failed authentication.',
  });
  return intent;
}

export function capturePayment(world: World, intent: Stripe.PaymentIntent, amount: number): Stripe.PaymentIntent {
  const charge = world.state.charges[idOf(intent.latest_charge) ?? ''];
  if (charge === undefined) throw invalidRequest('Nothing was authorized.', 'payment_intent');
  succeed(world, charge, amount);
  emit(world, 'charge.captured', charge);
  finish(world, intent, charge);
  return intent;
}

/** The answer of the bank to a debit, days after it was asked. */
export function settleDebit(world: World, chargeId: string): void {
  const charge = world.state.charges[chargeId];
  if (charge?.status !== 'pending') return;
  const intent = paymentIntentOf(world, idOf(charge.payment_intent) ?? '');
  const method = world.state.paymentMethods[charge.payment_method ?? ''];
  if (method === undefined) return;
  const { debit } = madeFrom(world, method.id).test;
  if (debit === 'stays_processing') return;
  if (debit === undefined || debit === 'succeeds') {
    succeed(world, charge, charge.amount);
    finish(world, intent, charge);
    return;
  }
  fail(world, charge, { code: debit.code, declineCode: null, message: debit.message });
  if (debit.blocks) block(world, method, debit.networkCode, debit.code);
  putBack(world, intent, method, { code: debit.code, declineCode: null, message: debit.message }, charge.id);
}

function carryOut(world: World, intent: Stripe.PaymentIntent, method: Stripe.PaymentMethod): Stripe.PaymentIntent {
  const { test } = madeFrom(world, method.id);
  if (test.declined !== undefined) {
    const { code, declineCode } = test.declined;
    return refuse(world, intent, method, { code, declineCode, message: `Your card was declined (${declineCode}).` });
  }
  const charge = newCharge(world, intent, method);
  intent.latest_charge = charge.id;
  if (intent.setup_future_usage !== null && idOf(intent.customer) !== null) {
    attachTo(world, method, idOf(intent.customer) ?? '');
  }
  if (test.type !== 'card') return startDebit(world, intent, charge, test.quick === true);
  if (intent.capture_method === 'manual') return authorizeOnly(world, intent, charge);
  succeed(world, charge, charge.amount);
  finish(world, intent, charge);
  return intent;
}

function startDebit(
  world: World,
  intent: Stripe.PaymentIntent,
  charge: Stripe.Charge,
  quick: boolean,
): Stripe.PaymentIntent {
  intent.status = 'processing';
  const now = world.clock.now();
  const at = quick ? now + 3 * MINUTE : businessDaysLater(now, DEBIT_DAYS);
  world.plan(at, { kind: 'debit_result', charge: charge.id });
  emit(world, 'charge.pending', charge);
  emit(world, 'payment_intent.processing', intent);
  return intent;
}

function authorizeOnly(world: World, intent: Stripe.PaymentIntent, charge: Stripe.Charge): Stripe.PaymentIntent {
  charge.status = 'succeeded';
  charge.paid = true;
  intent.status = 'requires_capture';
  intent.amount_capturable = charge.amount;
  emit(world, 'charge.succeeded', charge);
  emit(world, 'payment_intent.amount_capturable_updated', intent);
  return intent;
}

function finish(world: World, intent: Stripe.PaymentIntent, charge: Stripe.Charge): void {
  intent.status = 'succeeded';
  intent.amount_received = charge.amount_captured;
  intent.amount_capturable = 0;
  emit(world, 'payment_intent.succeeded', intent);
  settleSession(world, intent);
  const { dispute } = madeFrom(world, charge.payment_method ?? '').test;
  if (dispute?.inquiry === true) openDispute(world, charge.id, { reason: dispute.reason, inquiry: true });
  else if (dispute !== undefined) {
    world.plan(world.clock.now() + DISPUTE_AFTER, { kind: 'open_dispute', charge: charge.id, reason: dispute.reason });
  }
}

const authenticationRequired: Failure = {
  code: 'authentication_required',
  declineCode: 'authentication_required',
  message: 'Your card was declined. This transaction requires authentication.',
};

/** A charge that failed at once: on record, announced, and answered as a card error. */
function refuse(world: World, intent: Stripe.PaymentIntent, method: Stripe.PaymentMethod, failure: Failure): never {
  const charge = newCharge(world, intent, method);
  intent.latest_charge = charge.id;
  fail(world, charge, failure);
  putBack(world, intent, method, failure, charge.id);
  throw cardError({
    message: failure.message,
    code: failure.code,
    decline_code: failure.declineCode ?? undefined,
    charge: charge.id,
    payment_intent: intent,
    payment_method: method,
  });
}

function putBack(
  world: World,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  failure: Failure,
  charge?: string,
): void {
  intent.status = 'requires_payment_method';
  intent.payment_method = null;
  intent.last_payment_error = {
    type: 'card_error',
    code: failure.code,
    decline_code: failure.declineCode ?? undefined,
    message: failure.message,
    charge,
    payment_method: structuredClone(method),
  };
  emit(world, 'payment_intent.payment_failed', intent);
  settleSession(world, intent);
}

function askForAuthentication(
  world: World,
  intent: Stripe.PaymentIntent,
  returnUrl: string | null,
): Stripe.PaymentIntent {
  intent.status = 'requires_action';
  intent.next_action = {
    type: 'redirect_to_url',
    redirect_to_url: { return_url: returnUrl, url: `${world.url}/_stand_in/authenticate/${intent.id}` },
  };
  emit(world, 'payment_intent.requires_action', intent);
  return intent;
}

function requireMandate(
  world: World,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  params: Params,
): void {
  if (method.us_bank_account?.status_details?.blocked === undefined) {
    if (activeMandateOf(world, method.id) !== undefined) return;
    if (params.within('mandate_data') !== undefined) {
      grantMandate(world, method);
      return;
    }
  }
  throw wrongState(
    'payment_intent_mandate_invalid',
    'The provided PaymentMethod has no active mandate. Collect a new one from the customer.',
    { payment_intent: intent, payment_method: method },
  );
}

/** The bank will not honour any further debit of this account. */
function block(world: World, method: Stripe.PaymentMethod, networkCode: string, reason: string): void {
  if (method.us_bank_account !== undefined) {
    method.us_bank_account.status_details = { blocked: { network_code: networkCode, reason: blockReason(reason) } };
    emit(world, 'payment_method.updated', method);
  }
  endMandate(world, method.id);
}

function blockReason(code: string): string {
  if (code === 'account_closed') return 'bank_account_closed';
  return code === 'no_account' ? 'bank_account_invalid_details' : code;
}
