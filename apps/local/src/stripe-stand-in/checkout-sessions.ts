import type Stripe from 'stripe';
import type { Call } from './call.js';
import { checkoutSession } from './checkout-session.js';
import { HOUR, MINUTE } from './clock.js';
import { invalidRequest, noSuch, wrongState } from './errors.js';
import { emit } from './events.js';
import { customerOf, paymentIntentOf, sessionOf, setupIntentOf } from './found.js';
import { idOf, isAsked, listed } from './listing.js';
import { grantMandate } from './mandates.js';
import { Params } from './params.js';
import { authenticatePayment, confirmPayment } from './payment-confirmation.js';
import { before, openPayment, takeMethod } from './payment-intents.js';
import { attachTo, made } from './payment-methods.js';
import { authenticateSetup, confirmSetup, openSetup, takeSetupMethod } from './setup-intents.js';
import { IBANS, TEST_METHODS } from './test-methods.js';
import type { World } from './world.js';

const FIELDS = [
  ...['mode', 'customer', 'currency', 'success_url', 'cancel_url', 'client_reference_id', 'metadata', 'line_items'],
  ...['allowed_payment_method_types', 'excluded_payment_method_types', 'payment_method_options', 'payment_intent_data'],
  ...['setup_intent_data', 'expires_at', 'customer_email', 'ui_mode', 'locale'],
];

export const checkoutSessions = {
  create: ({ world, params, version }: Call): Stripe.Checkout.Session => {
    params.only(...FIELDS, ...before(version));
    const mode = params.choice('mode', ['setup', 'payment'] as const);
    if (mode === undefined)
      throw invalidRequest('The stand-in knows the modes setup and payment.', 'mode', 'parameter_missing');
    params.choice('ui_mode', ['hosted_page', 'hosted']);
    const successUrl = params.need('success_url');
    const customer = params.has('customer') ? customerOf(world, params.need('customer')) : null;
    const lineItems = mode === 'payment' ? lineItemsOf(world, params) : [];
    const expiresAt = expiryOf(world, params.whole('expires_at'));
    const session = checkoutSession({
      id: world.id('cs_test'),
      created: world.clock.seconds(),
      expiresAt: Math.floor(expiresAt / 1000),
      mode,
      customer,
      email: customer?.email ?? params.text('customer_email') ?? null,
      successUrl,
      cancelUrl: params.text('cancel_url') ?? null,
      reference: params.text('client_reference_id') ?? null,
      metadata: params.metadata(),
      types: params.list('allowed_payment_method_types') ??
        params.list('payment_method_types') ?? ['card', 'us_bank_account'],
      currency: lineItems[0]?.currency ?? params.text('currency') ?? null,
      amount: mode === 'payment' ? lineItems.reduce((sum, item) => sum + item.amount_total, 0) : null,
      url: world.url,
    });
    if (session.amount_total !== null && session.amount_total < 50) {
      throw invalidRequest(
        'The Checkout Session’s total must be at least 50 minor units.',
        'line_items',
        'amount_too_small',
      );
    }
    const data = params.within(mode === 'setup' ? 'setup_intent_data' : 'payment_intent_data');
    const wishes = {
      metadata: data?.metadata() ?? {},
      description: data?.text('description') ?? null,
      setupFutureUsage: data?.choice('setup_future_usage', ['off_session', 'on_session'] as const) ?? null,
      lineItems,
    };
    if (mode === 'setup') session.setup_intent = setupFor(world, session, wishes.metadata, wishes.description).id;
    world.state.sessions[session.id] = session;
    world.state.sessionWishes[session.id] = wishes;
    world.plan(expiresAt, { kind: 'session_expires', session: session.id });
    return session;
  },

  retrieve: ({ world, id }: Call): Stripe.Checkout.Session => {
    return sessionOf(world, id);
  },

  expire: ({ world, id }: Call): Stripe.Checkout.Session => {
    const session = sessionOf(world, id);
    if (session.status !== 'open')
      throw wrongState('checkout_session_not_open', 'Only open Checkout Sessions can be expired.');
    expireSession(world, id);
    return session;
  },

  list: (call: Call): Stripe.ApiList<Stripe.Checkout.Session> => {
    const { params, world } = call;
    const created = params.range('created');
    const [customer, payment, status] = [params.text('customer'), params.text('payment_intent'), params.text('status')];
    return listed(
      call,
      world.state.sessions,
      ['created', 'customer', 'payment_intent', 'status'],
      (one) =>
        created(one.created) &&
        isAsked(customer, one.customer) &&
        isAsked(payment, one.payment_intent) &&
        (status === undefined || one.status === status),
    );
  },

  lineItems: (call: Call): Stripe.ApiList<Stripe.LineItem> => {
    const items = call.world.state.sessionWishes[sessionOf(call.world, call.id).id]?.lineItems ?? [];
    return listed(call, Object.fromEntries(items.map((item) => [item.id, item])), [], () => true);
  },
};

export function expireSession(world: World, id: string): void {
  const session = sessionOf(world, id);
  if (session.status !== 'open') return;
  session.status = 'expired';
  session.url = null;
  emit(world, 'checkout.session.expired', session);
}

/** What the person on the hosted page does: picks a test method, authenticates if asked, and goes on. */
export function completeCheckout(world: World, id: string, methodName: string): Stripe.Checkout.Session {
  const session = sessionOf(world, id);
  if (session.status !== 'open')
    throw wrongState('checkout_session_not_open', 'This Checkout Session is no longer open.');
  if (TEST_METHODS[methodName] === undefined && IBANS[methodName] === undefined)
    throw noSuch('test method', methodName);
  const method = made(world, methodName);
  if (session.mode === 'setup') completeSetup(world, session, method);
  else completePayment(world, session, method);
  session.status = 'complete';
  session.url = null;
  emit(world, 'checkout.session.completed', session);
  return session;
}

function completeSetup(world: World, session: Stripe.Checkout.Session, method: Stripe.PaymentMethod): void {
  const intent = setupIntentOf(world, idOf(session.setup_intent) ?? '');
  takeSetupMethod(intent, method);
  confirmSetup(world, intent, Params.of({}));
  if (intent.status === 'requires_action') authenticateSetup(world, intent.id, true);
}

function completePayment(world: World, session: Stripe.Checkout.Session, method: Stripe.PaymentMethod): void {
  const intent = paymentFor(world, session);
  takeMethod(intent, method);
  grantMandate(world, method);
  confirmPayment(world, intent, Params.of({}));
  if (intent.status === 'requires_action') authenticatePayment(world, intent.id, true);
  const customer = idOf(session.customer);
  if (customer !== null && intent.setup_future_usage !== null) attachTo(world, method, customer);
  session.payment_status = intent.status === 'succeeded' ? 'paid' : 'unpaid';
}

/** The payment of a session is made when the person first tries to pay, and tried again with the next method. */
function paymentFor(world: World, session: Stripe.Checkout.Session): Stripe.PaymentIntent {
  const existing = idOf(session.payment_intent);
  if (existing !== null) return paymentIntentOf(world, existing);
  const wishes = world.state.sessionWishes[session.id];
  const intent = openPayment(world);
  intent.amount = session.amount_total ?? 0;
  intent.currency = session.currency ?? 'usd';
  intent.customer = idOf(session.customer);
  intent.metadata = { ...wishes?.metadata };
  intent.description = wishes?.description ?? null;
  intent.setup_future_usage = wishes?.setupFutureUsage ?? null;
  intent.payment_method_types = [...session.payment_method_types];
  world.state.paymentIntents[intent.id] = intent;
  session.payment_intent = intent.id;
  emit(world, 'payment_intent.created', intent);
  return intent;
}

function setupFor(
  world: World,
  session: Stripe.Checkout.Session,
  metadata: Stripe.Metadata,
  description: string | null,
): Stripe.SetupIntent {
  const intent = openSetup(world);
  intent.customer = idOf(session.customer);
  intent.metadata = { ...metadata };
  intent.description = description;
  intent.payment_method_types = [...session.payment_method_types];
  world.state.setupIntents[intent.id] = intent;
  emit(world, 'setup_intent.created', intent);
  return intent;
}

function expiryOf(world: World, seconds: number | undefined): number {
  const now = world.clock.now();
  if (seconds === undefined) return now + 24 * HOUR;
  const at = seconds * 1000;
  if (at >= now + 30 * MINUTE - 1000 && at <= now + 24 * HOUR + 1000) return at;
  throw invalidRequest('expires_at is between 30 minutes and 24 hours from now.', 'expires_at');
}

function lineItemsOf(world: World, params: Params): Stripe.LineItem[] {
  const items = params.each('line_items');
  if (items.length === 0)
    throw invalidRequest('Missing required param: line_items.', 'line_items', 'parameter_missing');
  return items.map((item) => {
    item.only('price_data', 'quantity');
    const price = item.within('price_data');
    if (price === undefined)
      throw invalidRequest('The stand-in has no Prices: use price_data.', item.nameOf('price_data'));
    const quantity = item.whole('quantity') ?? 1;
    price.need('unit_amount');
    const amount = (price.whole('unit_amount') ?? 0) * quantity;
    return {
      id: world.id('li'),
      object: 'item',
      adjustable_quantity: null,
      amount_discount: 0,
      amount_subtotal: amount,
      amount_tax: 0,
      amount_total: amount,
      currency: price.need('currency').toLowerCase(),
      description: price.within('product_data')?.text('name') ?? null,
      metadata: {},
      price: null,
      quantity,
    };
  });
}
