import type Stripe from 'stripe';
import { openScene, pay, rejection, saved, theId } from './scene.js';
import type { Scene } from './scene.js';

describe('payments by card on the local stand-in', () => {
  let scene: Scene;
  beforeAll(async () => (scene = await openScene()));
  afterAll(() => scene.standIn.close());

  it('creates a payment unconfirmed, confirms it off session, and shows charge and fee when asked', async () => {
    const { stripe } = scene;
    const who = await saved(scene, 'pm_card_visa');
    const made = await stripe.paymentIntents.create({
      ...who,
      amount: 26_400,
      currency: 'usd',
      metadata: { attempt: 'att-1' },
    });
    expect(made).toMatchObject({ status: 'requires_confirmation', latest_charge: null, amount_received: 0 });
    const done = await stripe.paymentIntents.confirm(made.id, {
      off_session: true,
      expand: ['latest_charge.balance_transaction', 'payment_method', 'customer'],
    });
    expect(done).toMatchObject({
      status: 'succeeded',
      amount_received: 26_400,
      payment_method: { card: { last4: '4242' } },
      customer: { id: who.customer },
      latest_charge: {
        status: 'succeeded',
        captured: true,
        metadata: { attempt: 'att-1' },
        balance_transaction: { amount: 26_400, fee: 796, net: 25_604, type: 'charge', status: 'pending' },
      },
    });
    const again = await rejection(stripe.paymentIntents.confirm(made.id));
    expect(again).toMatchObject({ code: 'payment_intent_unexpected_state', payment_intent: { status: 'succeeded' } });
    const events = await stripe.events.list({ types: ['payment_intent.*', 'charge.*'], limit: 3 });
    expect(events.data.map(({ type }) => type)).toEqual([
      'payment_intent.succeeded',
      'charge.succeeded',
      'payment_intent.created',
    ]);
    const [first] = events.data;
    expect(await stripe.events.retrieve(first?.id ?? '')).toEqual(first);
  });

  it.each([
    ['pm_card_chargeDeclined', 'card_declined', 'generic_decline'],
    ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card'],
    ['pm_card_chargeDeclinedLostCard', 'card_declined', 'lost_card'],
  ])('%s is declined with %s, %s, and the payment can be tried again', async (card, code, decline_code) => {
    const { stripe } = scene;
    const made = await stripe.paymentIntents.create({ amount: 2000, currency: 'usd' });
    const refused = await rejection(stripe.paymentIntents.confirm(made.id, { payment_method: card }));
    expect(refused).toMatchObject({
      type: 'StripeCardError',
      rawType: 'card_error',
      statusCode: 402,
      code,
      decline_code,
    });
    expect(refused.payment_intent).toMatchObject({
      id: made.id,
      status: 'requires_payment_method',
      payment_method: null,
    });
    expect(refused.headers?.['stripe-should-retry']).toBe('false');
    const charge = await stripe.charges.retrieve(refused.charge ?? '');
    expect(charge).toMatchObject({ status: 'failed', paid: false, failure_code: code, balance_transaction: null });
    const now = await stripe.paymentIntents.retrieve(made.id);
    expect(now.last_payment_error).toMatchObject({ code, decline_code, payment_method: { type: 'card' } });
    const done = await stripe.paymentIntents.confirm(made.id, { payment_method: 'pm_card_visa' });
    expect(done).toMatchObject({ status: 'succeeded', last_payment_error: null });
    expect((await stripe.charges.list({ payment_intent: made.id })).data.map(({ status }) => status)).toEqual([
      'succeeded',
      'failed',
    ]);
  });

  it('declines a saved card that was good when it was saved', async () => {
    expect(await rejection(pay(scene, 'pm_card_chargeCustomerFail'))).toMatchObject({ code: 'card_declined' });
  });

  it('is declined until the card is good again, for a saved card that runs out of money', async () => {
    const { stripe, standIn } = scene;
    const who = await saved(scene, 'pm_card_visa');
    const attempt = () =>
      stripe.paymentIntents.create({ ...who, amount: 900, currency: 'usd', off_session: 'recurring', confirm: true });
    standIn.drive.behaveLike(who.payment_method, 'pm_card_chargeDeclinedInsufficientFunds');
    expect((await rejection(attempt())).decline_code).toBe('insufficient_funds');
    standIn.drive.behaveLike(who.payment_method, 'pm_card_visa');
    expect((await attempt()).status).toBe('succeeded');
    expect(() => standIn.drive.behaveLike(who.payment_method, 'pm_usBankAccount_success')).toThrow('not of type card');
  });

  it('asks for authentication on session and refuses off session', async () => {
    const { stripe, standIn } = scene;
    const onSession = await stripe.paymentIntents.create({
      amount: 900,
      currency: 'usd',
      payment_method: 'pm_card_authenticationRequired',
      confirm: true,
      return_url: 'http://127.0.0.1/back',
    });
    expect(onSession).toMatchObject({ status: 'requires_action', latest_charge: null });
    expect(onSession.next_action?.redirect_to_url?.url).toContain(standIn.url);
    expect(standIn.drive.authenticate(onSession.id, { succeed: true }).status).toBe('succeeded');

    const { id: customer } = await stripe.customers.create();
    const method = await stripe.paymentMethods.attach('pm_card_authenticationRequired', { customer });
    const refused = await rejection(
      stripe.paymentIntents.create({
        ...{ amount: 900, currency: 'usd', customer, payment_method: method.id, off_session: true, confirm: true },
      }),
    );
    expect(refused).toMatchObject({ code: 'authentication_required', decline_code: 'authentication_required' });
    expect(refused.payment_intent).toMatchObject({ status: 'requires_payment_method', next_action: null });
  });

  it('keeps what was set up with authentication usable off session, unless the card asks every time', async () => {
    const { stripe, standIn } = scene;
    const { id: customer } = await stripe.customers.create();
    const setup = await stripe.setupIntents.create({
      ...{ customer, payment_method: 'pm_card_authenticationRequiredOnSetup', confirm: true },
    });
    standIn.drive.authenticate(setup.id, { succeed: true });
    const method = theId(setup.payment_method);
    const paid = await stripe.paymentIntents.create({
      ...{ amount: 900, currency: 'usd', customer, payment_method: method, off_session: true, confirm: true },
    });
    expect(paid.status).toBe('succeeded');
  });

  it('fails a payment whose authentication fails', async () => {
    const { stripe, standIn } = scene;
    const asked = await stripe.paymentIntents.create({
      ...{ amount: 900, currency: 'usd', payment_method: 'pm_card_threeDSecure2Required', confirm: true },
    });
    const failed = standIn.drive.authenticate(asked.id, { succeed: false });
    expect(failed).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'payment_intent_authentication_failure' },
    });
  });

  it('authorizes and captures less; cancels', async () => {
    const { stripe } = scene;
    const held = await stripe.paymentIntents.create({
      ...{ amount: 5000, currency: 'usd', payment_method: 'pm_card_visa', confirm: true, capture_method: 'manual' },
    });
    expect(held).toMatchObject({ status: 'requires_capture', amount_capturable: 5000, amount_received: 0 });
    const taken = await stripe.paymentIntents.capture(held.id, { amount_to_capture: 3000, expand: ['latest_charge'] });
    expect(taken).toMatchObject({
      status: 'succeeded',
      amount_received: 3000,
      latest_charge: { amount_captured: 3000 },
    });
    const open = await stripe.paymentIntents.create({ amount: 5000, currency: 'usd' });
    const gone = await stripe.paymentIntents.cancel(open.id, { cancellation_reason: 'duplicate' });
    expect(gone).toMatchObject({ status: 'canceled', cancellation_reason: 'duplicate' });
    expect((await rejection(stripe.paymentIntents.cancel(held.id))).code).toBe('payment_intent_unexpected_state');
  });

  it('updates labels at any time and the amount while nothing was taken', async () => {
    const { stripe } = scene;
    const made = await stripe.paymentIntents.create({ amount: 700, currency: 'usd', payment_method: 'pm_card_visa' });
    const more = await stripe.paymentIntents.update(made.id, { amount: 800, metadata: { statement: 'INV-1' } });
    expect(more).toMatchObject({ amount: 800, metadata: { statement: 'INV-1' } });
    const bad = await rejection(stripe.paymentIntents.update(made.id, { amount: 900, payment_method: 'pm_unknown' }));
    expect(bad).toMatchObject({ statusCode: 404, param: 'payment_method' });
    expect((await stripe.paymentIntents.confirm(made.id)).amount_received).toBe(800);
    expect((await rejection(stripe.paymentIntents.update(made.id, { amount: 1 }))).code).toBe(
      'payment_intent_unexpected_state',
    );
    expect((await stripe.paymentIntents.update(made.id, { description: 'later' })).description).toBe('later');
  });

  it('finds payments by metadata, customer and status', async () => {
    const { stripe, standIn } = scene;
    const who = await saved(scene, 'pm_card_visa');
    const made = await stripe.paymentIntents.create({
      ...who,
      amount: 700,
      currency: 'usd',
      metadata: { attempt: 'inv-7-att-1' },
    });
    const found = await stripe.paymentIntents.search({
      query: `metadata['attempt']:'inv-7-att-1' AND -status:'canceled'`,
    });
    expect(found.data.map(({ id }) => id)).toEqual([made.id]);
    expect((await stripe.paymentIntents.search({ query: `metadata['attempt']:'inv-7-att-2'` })).data).toEqual([]);
    expect((await stripe.paymentIntents.list({ customer: who.customer })).data.map(({ id }) => id)).toEqual([made.id]);
    standIn.setSearchLag(60_000);
    expect((await stripe.paymentIntents.search({ query: `metadata['attempt']:'inv-7-att-1'` })).data).toEqual([]);
    standIn.setSearchLag(0);
  });

  it.each<[string, Stripe.PaymentIntentCreateParams, string, string]>([
    ['too little', { amount: 49, currency: 'usd' }, 'amount_too_small', 'amount'],
    ['too much', { amount: 100_000_000, currency: 'usd' }, 'amount_too_large', 'amount'],
    ['no such customer', { amount: 50, currency: 'usd', customer: 'cus_none' }, 'resource_missing', 'customer'],
  ])('refuses %s', async (_what, params, code, param) => {
    const refused = await rejection(scene.stripe.paymentIntents.create(params));
    expect(refused).toMatchObject({ type: 'StripeInvalidRequestError', code, param });
    expect(refused.requestId).toMatch(/^req_/);
  });

  it('takes allowed_payment_method_types in this version, payment_method_types in those before', async () => {
    const { stripe } = scene;
    const made = await stripe.paymentIntents.create({
      amount: 500,
      currency: 'usd',
      allowed_payment_method_types: ['card'],
    });
    expect(made).toMatchObject({ payment_method_types: ['card'], allowed_payment_method_types: ['card'] });
    const old = { amount: 500, currency: 'usd', payment_method_types: ['card'] };
    const refused = await rejection(stripe.rawRequest('POST', '/v1/payment_intents', old));
    expect(refused).toMatchObject({ code: 'parameter_unknown', param: 'payment_method_types' });
    const taken = await stripe.rawRequest('POST', '/v1/payment_intents', old, { apiVersion: '2025-03-31.basil' });
    expect(taken).toMatchObject({ payment_method_types: ['card'], allowed_payment_method_types: null });
    const other = await rejection(
      stripe.paymentIntents.confirm(made.id, { payment_method: 'pm_usBankAccount_success' }),
    );
    expect(other.param).toBe('payment_method');
  });

  it('refuses strangers, live keys, unknown addresses and what cannot be expanded', async () => {
    const { stripe } = scene;
    const as = (apiKey: string) => rejection(stripe.balance.retrieve({}, { apiKey }));
    expect(await as('pk_test_1')).toMatchObject({ type: 'StripeAuthenticationError', statusCode: 401 });
    expect((await as('sk_live_1')).message).toContain('live key');
    expect((await rejection(stripe.subscriptions.list())).statusCode).toBe(404);
    const unknown = await rejection(stripe.payouts.list({ destination: 'ba_1' }));
    expect(unknown).toMatchObject({ code: 'parameter_unknown', param: 'destination' });
    expect((await rejection(stripe.paymentIntents.list({ expand: ['data.colour'] }))).param).toBe('expand');
  });
});
