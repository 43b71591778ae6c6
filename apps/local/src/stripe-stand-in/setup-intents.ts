import type Stripe from 'stripe';
import type { Call } from './call.js';
import { cardError, invalidRequest, wrongState } from './errors.js';
import { emit } from './events.js';
import { customerOf, setupIntentOf } from './found.js';
import { idOf, isAsked, listed } from './listing.js';
import { grantMandate } from './mandates.js';
import type { Params } from './params.js';
import { before } from './payment-intents.js';
import { attachTo, madeFrom, madeFromData, paymentMethodOf } from './payment-methods.js';
import type { World } from './world.js';

const FIELDS = [
  ...[
    'customer',
    'description',
    'metadata',
    'payment_method',
    'payment_method_data',
    'payment_method_options',
    'usage',
  ],
  ...['allowed_payment_method_types', 'excluded_payment_method_types', 'automatic_payment_methods'],
];
const ON_CONFIRM = [
  'payment_method',
  'payment_method_data',
  'payment_method_options',
  'mandate_data',
  'return_url',
  'use_stripe_sdk',
];
const OPEN = ['requires_payment_method', 'requires_confirmation', 'requires_action'];

export const setupIntents = {
  create: ({ world, params, version }: Call): Stripe.SetupIntent => {
    params.only(...FIELDS, ...ON_CONFIRM, ...before(version), 'confirm');
    const intent = openSetup(world);
    set(world, intent, params);
    world.state.setupIntents[intent.id] = intent;
    emit(world, 'setup_intent.created', intent);
    if (params.flag('confirm') !== true) return intent;
    requireAcceptance(world, intent, params);
    return confirmSetup(world, intent, params);
  },

  retrieve: ({ world, id }: Call): Stripe.SetupIntent => {
    return setupIntentOf(world, id, 'id');
  },

  update: ({ world, params, id, version }: Call): Stripe.SetupIntent => {
    params.only(...FIELDS, ...before(version));
    const intent = setupIntentOf(world, id, 'id');
    change(world, intent, params);
    return intent;
  },

  confirm: ({ world, params, id, version }: Call): Stripe.SetupIntent => {
    params.only(...ON_CONFIRM, ...before(version));
    const intent = setupIntentOf(world, id, 'id');
    isOpen(intent, 'confirmed');
    change(world, intent, params);
    requireAcceptance(world, intent, params);
    return confirmSetup(world, intent, params);
  },

  cancel: ({ world, params, id }: Call): Stripe.SetupIntent => {
    params.only('cancellation_reason');
    const reason = params.choice('cancellation_reason', ['abandoned', 'duplicate', 'requested_by_customer'] as const);
    const intent = setupIntentOf(world, id, 'id');
    isOpen(intent, 'canceled');
    intent.status = 'canceled';
    intent.cancellation_reason = reason ?? null;
    intent.next_action = null;
    emit(world, 'setup_intent.canceled', intent);
    return intent;
  },

  list: (call: Call): Stripe.ApiList<Stripe.SetupIntent> => {
    const { params, world } = call;
    const created = params.range('created');
    const [customer, method] = [params.text('customer'), params.text('payment_method')];
    return listed(
      call,
      world.state.setupIntents,
      ['created', 'customer', 'payment_method'],
      (one) => created(one.created) && isAsked(customer, one.customer) && isAsked(method, one.payment_method),
    );
  },
};

/** Makes the payment method usable off session later: the card is checked, the bank account gets its mandate. */
export function confirmSetup(world: World, intent: Stripe.SetupIntent, params: Params): Stripe.SetupIntent {
  const id = idOf(intent.payment_method);
  if (id === null) {
    throw wrongState('setup_intent_unexpected_state', 'You cannot confirm this SetupIntent without a payment method.', {
      setup_intent: intent,
    });
  }
  const { test } = madeFrom(world, id);
  if (test.declined !== undefined && test.attaches !== true) {
    const { code, declineCode } = test.declined;
    fail(world, intent, code, declineCode, 'Your card was declined.');
    throw cardError({ message: 'Your card was declined.', code, decline_code: declineCode, setup_intent: intent });
  }
  if (test.authentication !== undefined) {
    intent.status = 'requires_action';
    const url = `${world.url}/_stand_in/authenticate/${intent.id}`;
    intent.next_action = {
      type: 'redirect_to_url',
      redirect_to_url: { return_url: params.text('return_url') ?? null, url },
    };
    emit(world, 'setup_intent.requires_action', intent);
    return intent;
  }
  return complete(world, intent);
}

/** Off the hosted page nobody has seen the payer accept the mandate: the caller says how. */
function requireAcceptance(world: World, intent: Stripe.SetupIntent, params: Params): void {
  const method = idOf(intent.payment_method);
  if (method === null || madeFrom(world, method).test.type === 'card') return;
  if (params.within('mandate_data')?.within('customer_acceptance') !== undefined) return;
  throw invalidRequest('Missing required param: mandate_data.', 'mandate_data', 'parameter_missing');
}

/** The payer came back from 3-D Secure. */
export function authenticateSetup(world: World, id: string, succeeded: boolean): Stripe.SetupIntent {
  const intent = setupIntentOf(world, id);
  if (intent.status !== 'requires_action') throw invalidRequest('Nothing asks for authentication.', 'setup_intent');
  intent.next_action = null;
  if (succeeded) return complete(world, intent);
  fail(world, intent, 'setup_intent_authentication_failure', undefined, 'The PaymentMethod has failed authentication.');
  return intent;
}

function complete(world: World, intent: Stripe.SetupIntent): Stripe.SetupIntent {
  const method = paymentMethodOf(world, idOf(intent.payment_method) ?? '');
  madeFrom(world, method.id).memory.authenticated = true;
  intent.status = 'succeeded';
  intent.last_setup_error = null;
  const customer = idOf(intent.customer);
  if (customer !== null) attachTo(world, method, customer);
  intent.mandate = grantMandate(world, method)?.id ?? null;
  emit(world, 'setup_intent.succeeded', intent);
  return intent;
}

function fail(
  world: World,
  intent: Stripe.SetupIntent,
  code: string,
  declineCode: string | undefined,
  message: string,
): void {
  const method = paymentMethodOf(world, idOf(intent.payment_method) ?? '');
  intent.status = 'requires_payment_method';
  intent.payment_method = null;
  intent.last_setup_error = {
    type: 'card_error',
    code,
    decline_code: declineCode,
    message,
    payment_method: structuredClone(method),
  };
  emit(world, 'setup_intent.setup_failed', intent);
}

function isOpen(intent: Stripe.SetupIntent, verb: string): void {
  if (OPEN.includes(intent.status)) return;
  const message = `This SetupIntent's status is ${intent.status}; it could not be ${verb}.`;
  throw wrongState('setup_intent_unexpected_state', message, { setup_intent: intent });
}

/** All or nothing: a parameter that is refused leaves the set-up as it was. */
function change(world: World, intent: Stripe.SetupIntent, params: Params): void {
  const changed = structuredClone(intent);
  set(world, changed, params);
  Object.assign(intent, changed);
}

function set(world: World, intent: Stripe.SetupIntent, params: Params): void {
  if (params.has('customer')) intent.customer = customerOf(world, params.need('customer')).id;
  if (params.has('description')) intent.description = params.text('description') ?? null;
  intent.usage = params.choice('usage', ['off_session', 'on_session'] as const) ?? intent.usage;
  intent.metadata = params.metadata(intent.metadata);
  const types = params.list('allowed_payment_method_types') ?? params.list('payment_method_types');
  if (types !== undefined) {
    intent.payment_method_types = types;
    intent.allowed_payment_method_types = params.has('allowed_payment_method_types') ? types : null;
  }
  const data = params.within('payment_method_data');
  const method = params.text('payment_method');
  if (data === undefined && method === undefined) return;
  const chosen =
    method === undefined && data !== undefined ? madeFromData(world, data) : paymentMethodOf(world, method ?? '');
  takeSetupMethod(intent, chosen);
}

export function takeSetupMethod(intent: Stripe.SetupIntent, method: Stripe.PaymentMethod): void {
  const owner = idOf(method.customer);
  if (owner !== null && owner !== idOf(intent.customer)) {
    throw invalidRequest('The PaymentMethod belongs to another Customer.', 'payment_method');
  }
  if (!intent.payment_method_types.includes(method.type)) {
    throw invalidRequest(`The PaymentMethod's type ${method.type} is not allowed here.`, 'payment_method');
  }
  intent.payment_method = method.id;
  if (intent.status === 'requires_payment_method') intent.status = 'requires_confirmation';
}

export function openSetup(world: World): Stripe.SetupIntent {
  const id = world.id('seti');
  return {
    id,
    object: 'setup_intent',
    allowed_payment_method_types: null,
    application: null,
    automatic_payment_methods: null,
    cancellation_reason: null,
    client_secret: `${id}_secret_${world.state.salt}`,
    created: world.clock.seconds(),
    customer: null,
    customer_account: null,
    description: null,
    excluded_payment_method_types: null,
    flow_directions: null,
    last_setup_error: null,
    latest_attempt: null,
    livemode: false,
    mandate: null,
    metadata: {},
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card', 'us_bank_account', 'sepa_debit'],
    single_use_mandate: null,
    status: 'requires_payment_method',
    usage: 'off_session',
  };
}
