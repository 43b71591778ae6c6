import type Stripe from 'stripe';
import { invalidRequest, wrongState } from './errors.js';
import { API_VERSION, emit } from './events.js';
import { customerOf, paymentIntentOf } from './found.js';
import { idOf, isAsked, listed } from './listing.js';
import type { Params } from './params.js';
import { capturePayment, confirmPayment, isOffSession } from './payment-confirmation.js';
import { madeFromData, paymentMethodOf } from './payment-methods.js';
import type { Call } from './call.js';
import { searched } from './search.js';
import type { World } from './world.js';

const FIELDS = [
  ...['amount', 'currency', 'customer', 'payment_method', 'payment_method_data', 'payment_method_options', 'metadata'],
  ...['allowed_payment_method_types', 'excluded_payment_method_types', 'automatic_payment_methods', 'description'],
  ...['receipt_email', 'setup_future_usage', 'statement_descriptor', 'statement_descriptor_suffix', 'shipping'],
  ...['capture_method'],
];
const ON_CONFIRM = [
  ...['off_session', 'return_url', 'mandate', 'mandate_data', 'use_stripe_sdk', 'error_on_requires_action'],
  ...['payment_method', 'payment_method_data', 'payment_method_options', 'setup_future_usage', 'receipt_email'],
  ...['allowed_payment_method_types', 'excluded_payment_method_types', 'shipping', 'capture_method'],
];
const CANCELABLE = ['requires_payment_method', 'requires_confirmation', 'requires_action', 'requires_capture'];
const LEAST_AMOUNT = 50;
/** Bank debits are made in the currency of their scheme. */
const ONLY_CURRENCY: Readonly<Record<string, string>> = { us_bank_account: 'usd', sepa_debit: 'eur' };

export const paymentIntents = {
  create: ({ world, params, version }: Call): Stripe.PaymentIntent => {
    params.only(...FIELDS, ...ON_CONFIRM, ...before(version), 'confirm', 'confirmation_method');
    if (isOffSession(params) && params.flag('confirm') !== true) {
      throw invalidRequest('The parameter `off_session` is only allowed when `confirm` is true.', 'off_session');
    }
    if (!params.has('amount')) params.need('amount');
    params.need('currency');
    const intent = openPayment(world);
    set(world, intent, params);
    world.state.paymentIntents[intent.id] = intent;
    emit(world, 'payment_intent.created', intent);
    return params.flag('confirm') === true ? confirmPayment(world, intent, params) : intent;
  },

  retrieve: ({ world, id }: Call): Stripe.PaymentIntent => {
    return paymentIntentOf(world, id, 'id');
  },

  update: ({ world, params, id, version }: Call): Stripe.PaymentIntent => {
    params.only(...FIELDS, ...before(version));
    const intent = paymentIntentOf(world, id, 'id');
    const onlyLabels = !['amount', 'currency', 'payment_method', 'payment_method_data'].some((name) =>
      params.has(name),
    );
    if (!onlyLabels) inState(intent, CANCELABLE.slice(0, 3), 'updated');
    change(world, intent, params);
    return intent;
  },

  confirm: ({ world, params, id, version }: Call): Stripe.PaymentIntent => {
    params.only(...ON_CONFIRM, ...before(version));
    const intent = paymentIntentOf(world, id, 'id');
    inState(intent, CANCELABLE.slice(0, 3), 'confirmed');
    change(world, intent, params);
    return confirmPayment(world, intent, params);
  },

  capture: ({ world, params, id }: Call): Stripe.PaymentIntent => {
    params.only('amount_to_capture', 'metadata', 'statement_descriptor', 'final_capture');
    const intent = paymentIntentOf(world, id, 'id');
    inState(intent, ['requires_capture'], 'captured');
    const amount = params.whole('amount_to_capture') ?? intent.amount_capturable;
    if (amount < 1 || amount > intent.amount_capturable) {
      throw invalidRequest(
        'The amount to capture is more than what was authorized.',
        'amount_to_capture',
        'amount_too_large',
      );
    }
    return capturePayment(world, intent, amount);
  },

  cancel: ({ world, params, id }: Call): Stripe.PaymentIntent => {
    params.only('cancellation_reason');
    const reasons = ['abandoned', 'duplicate', 'fraudulent', 'requested_by_customer'] as const;
    const reason = params.choice('cancellation_reason', reasons) ?? null;
    const intent = paymentIntentOf(world, id, 'id');
    inState(intent, CANCELABLE, 'canceled');
    intent.status = 'canceled';
    intent.canceled_at = world.clock.seconds();
    intent.cancellation_reason = reason;
    intent.amount_capturable = 0;
    intent.next_action = null;
    emit(world, 'payment_intent.canceled', intent);
    return intent;
  },

  list: (call: Call): Stripe.ApiList<Stripe.PaymentIntent> => {
    const { params, world } = call;
    const created = params.range('created');
    const customer = params.text('customer');
    return listed(
      call,
      world.state.paymentIntents,
      ['created', 'customer'],
      (one) => created(one.created) && isAsked(customer, one.customer),
    );
  },

  search: (call: Call): Stripe.ApiSearchResult<Stripe.PaymentIntent> => {
    return searched(call, call.world.state.paymentIntents, {
      amount: (intent) => intent.amount,
      created: (intent) => intent.created,
      currency: (intent) => intent.currency,
      customer: (intent) => idOf(intent.customer),
      status: (intent) => intent.status,
    });
  },
};

/** Up to the version before, `payment_method_types` was a parameter; in this one it is only in the answer. */
export function before(version: string | undefined): string[] {
  return version === API_VERSION ? [] : ['payment_method_types'];
}

function inState(intent: Stripe.PaymentIntent, states: readonly string[], verb: string): void {
  if (states.includes(intent.status)) return;
  throw wrongState(
    'payment_intent_unexpected_state',
    `This PaymentIntent's status is ${intent.status}; it could not be ${verb}.`,
    { payment_intent: intent },
  );
}

/** All or nothing: a parameter that is refused leaves the payment as it was. */
function change(world: World, intent: Stripe.PaymentIntent, params: Params): void {
  const changed = structuredClone(intent);
  set(world, changed, params);
  Object.assign(intent, changed);
}

function set(world: World, intent: Stripe.PaymentIntent, params: Params): void {
  if (params.has('customer')) intent.customer = customerOf(world, params.need('customer')).id;
  if (params.has('amount')) intent.amount = checkedAmount(params.whole('amount') ?? 0);
  if (params.has('currency')) intent.currency = checkedCurrency(params.need('currency'));
  if (params.has('description')) intent.description = params.text('description') ?? null;
  if (params.has('receipt_email')) intent.receipt_email = params.text('receipt_email') ?? null;
  if (params.has('statement_descriptor')) intent.statement_descriptor = params.text('statement_descriptor') ?? null;
  if (params.has('statement_descriptor_suffix')) {
    intent.statement_descriptor_suffix = params.text('statement_descriptor_suffix') ?? null;
  }
  const usage = params.choice('setup_future_usage', ['off_session', 'on_session'] as const);
  if (usage !== undefined) intent.setup_future_usage = usage;
  const capture = params.choice('capture_method', ['automatic', 'automatic_async', 'manual'] as const);
  if (capture !== undefined) intent.capture_method = capture;
  const confirmation = params.choice('confirmation_method', ['automatic', 'manual'] as const);
  if (confirmation !== undefined) intent.confirmation_method = confirmation;
  const automatic = params.within('automatic_payment_methods');
  if (automatic !== undefined) intent.automatic_payment_methods = { enabled: automatic.flag('enabled') === true };
  intent.metadata = params.metadata(intent.metadata);
  const types = params.list('allowed_payment_method_types') ?? params.list('payment_method_types');
  if (types !== undefined) {
    intent.payment_method_types = types;
    intent.allowed_payment_method_types = params.has('allowed_payment_method_types') ? types : null;
  }
  const excluded = params.list('excluded_payment_method_types');
  if (excluded !== undefined)
    intent.payment_method_types = intent.payment_method_types.filter((one) => !excluded.includes(one));
  const data = params.within('payment_method_data');
  const method = params.text('payment_method');
  if (data !== undefined || method !== undefined) {
    const chosen =
      method === undefined && data !== undefined ? madeFromData(world, data) : paymentMethodOf(world, method ?? '');
    takeMethod(intent, chosen);
  }
}

/** Puts a payment method on a payment; one of another customer, or of a type that is not allowed, is refused. */
export function takeMethod(intent: Stripe.PaymentIntent, method: Stripe.PaymentMethod): void {
  const owner = idOf(method.customer);
  if (owner !== null && owner !== idOf(intent.customer)) {
    throw invalidRequest(
      'The PaymentMethod belongs to a Customer. Include that Customer in the `customer` parameter.',
      'payment_method',
    );
  }
  if (!intent.payment_method_types.includes(method.type)) {
    throw invalidRequest(`The PaymentMethod's type ${method.type} is not allowed here.`, 'payment_method');
  }
  const only = ONLY_CURRENCY[method.type];
  if (only !== undefined && only !== intent.currency) {
    throw invalidRequest(
      `The currency provided (${intent.currency}) is invalid for payments by ${method.type}, which takes ${only} only.`,
      'currency',
      'payment_intent_incompatible_payment_method',
    );
  }
  intent.payment_method = method.id;
  if (intent.status === 'requires_payment_method') intent.status = 'requires_confirmation';
}

function checkedAmount(amount: number): number {
  if (amount < LEAST_AMOUNT)
    throw invalidRequest('Amount must be at least 50 minor units.', 'amount', 'amount_too_small');
  if (amount > 99_999_999) throw invalidRequest('Amount has at most eight digits.', 'amount', 'amount_too_large');
  return amount;
}

function checkedCurrency(currency: string): string {
  if (!/^[a-zA-Z]{3}$/.test(currency)) throw invalidRequest(`Invalid currency: ${currency}`, 'currency');
  return currency.toLowerCase();
}

export function openPayment(world: World): Stripe.PaymentIntent {
  const id = world.id('pi');
  return {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount: 0,
    amount_capturable: 0,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic_async',
    client_secret: `${id}_secret_${world.state.salt}`,
    confirmation_method: 'automatic',
    created: world.clock.seconds(),
    currency: 'usd',
    customer: null,
    customer_account: null,
    description: null,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    managed_payments: null,
    metadata: {},
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card', 'us_bank_account', 'sepa_debit'],
    payment_record: null,
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'requires_payment_method',
    transfer_group: null,
  };
}
