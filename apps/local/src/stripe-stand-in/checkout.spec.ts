import { DAY } from './clock.js';
import { openScene, rejection } from './scene.js';
import type { Scene } from './scene.js';

describe('Checkout on the local stand-in', () => {
  let scene: Scene;
  let customer: string;
  beforeEach(async () => {
    scene = await openScene();
    customer = (await scene.stripe.customers.create({ email: 'agent@example.com' })).id;
  });
  afterEach(() => scene.standIn.close());

  const urls = {
    success_url: 'http://127.0.0.1:1/done?session={CHECKOUT_SESSION_ID}',
    cancel_url: 'http://127.0.0.1:1/back',
  };
  const setup = () =>
    scene.stripe.checkout.sessions.create({
      ...urls,
      mode: 'setup',
      customer,
      currency: 'usd',
      allowed_payment_method_types: ['card', 'us_bank_account', 'sepa_debit'],
      setup_intent_data: { metadata: { account: 'acc_1' } },
    });
  const topUp = (unit_amount = 5000) =>
    scene.stripe.checkout.sessions.create({
      ...urls,
      mode: 'payment',
      customer,
      client_reference_id: 'topup-1',
      line_items: [
        { quantity: 2, price_data: { currency: 'usd', unit_amount, product_data: { name: 'Prepaid balance' } } },
      ],
      payment_intent_data: { metadata: { topup: 'topup-1' }, setup_future_usage: 'off_session' },
    });
  const pick = (url: string | null, payment_method: string) =>
    fetch(url ?? '', { method: 'POST', redirect: 'manual', body: new URLSearchParams({ payment_method }) });

  it.each([
    'pm_card_visa',
    'pm_usBankAccount_success',
    'AT611904300234573201',
    'pm_card_authenticationRequiredOnSetup',
  ])('sets up %s for use off session', async (paymentMethod) => {
    const { stripe, standIn } = scene;
    const session = await setup();
    expect(session).toMatchObject({ status: 'open', payment_status: 'no_payment_required', mode: 'setup', customer });
    standIn.drive.completeCheckout(session.id, { paymentMethod });
    const done = await stripe.checkout.sessions.retrieve(session.id, { expand: ['setup_intent.payment_method'] });
    expect(done).toMatchObject({
      status: 'complete',
      url: null,
      setup_intent: { status: 'succeeded', metadata: { account: 'acc_1' } },
    });
    const [method] = (await stripe.paymentMethods.list({ customer })).data;
    const payment_method = method?.id ?? '';
    const paid = await stripe.paymentIntents.create({
      ...{
        customer,
        payment_method,
        amount: 900,
        currency: method?.type === 'sepa_debit' ? 'eur' : 'usd',
        off_session: true,
        confirm: true,
      },
    });
    expect(paid.status).toBe(method?.type === 'card' ? 'succeeded' : 'processing');
    const [event] = (await stripe.events.list({ type: 'checkout.session.completed' })).data;
    expect(event?.data.object).toMatchObject({ id: session.id, status: 'complete' });
  });

  it('takes a top-up by card, and keeps the card', async () => {
    const { stripe, standIn } = scene;
    const session = await topUp();
    expect(session).toMatchObject({
      amount_total: 10_000,
      currency: 'usd',
      payment_status: 'unpaid',
      payment_intent: null,
    });
    standIn.drive.completeCheckout(session.id, { paymentMethod: 'pm_card_visa' });
    const done = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent', 'line_items'] });
    expect(done).toMatchObject({
      payment_status: 'paid',
      client_reference_id: 'topup-1',
      payment_intent: { status: 'succeeded', amount_received: 10_000, metadata: { topup: 'topup-1' } },
      line_items: { data: [{ description: 'Prepaid balance', quantity: 2, amount_total: 10_000 }] },
    });
    expect((await stripe.checkout.sessions.listLineItems(session.id)).data).toHaveLength(1);
    expect((await stripe.paymentMethods.list({ customer })).data).toHaveLength(1);
    expect(standIn.successesFor('topup', 'topup-1')).toHaveLength(1);
  });

  it.each([
    ['pm_usBankAccount_success', 'paid', 'checkout.session.async_payment_succeeded'],
    ['pm_usBankAccount_insufficientFunds', 'unpaid', 'checkout.session.async_payment_failed'],
  ])('takes a top-up by %s: unpaid at first, %s days later', async (paymentMethod, status, type) => {
    const { stripe, standIn } = scene;
    const session = await topUp();
    expect(standIn.drive.completeCheckout(session.id, { paymentMethod }).payment_status).toBe('unpaid');
    await standIn.clock.advance(4 * DAY);
    expect((await stripe.checkout.sessions.retrieve(session.id)).payment_status).toBe(status);
    expect((await stripe.events.list({ type })).data).toHaveLength(1);
  });

  it('is a page that says what it is, lets a person try again, and sends them back', async () => {
    const { stripe } = scene;
    const session = await topUp();
    const page = await (await fetch(session.url ?? '')).text();
    expect(page).toContain('Local stand-in, not Stripe');
    expect(page).toContain('Pay 100.00 USD');
    expect(page).toContain('value="pm_card_visa"');
    const declined = await pick(session.url, 'pm_card_chargeDeclined');
    expect(declined.status).toBe(402);
    expect(await declined.text()).toContain('role="alert"');
    expect((await stripe.checkout.sessions.retrieve(session.id)).status).toBe('open');
    const accepted = await pick(session.url, 'pm_card_visa');
    expect([accepted.status, accepted.headers.get('location')]).toEqual([
      303,
      `http://127.0.0.1:1/done?session=${session.id}`,
    ]);
    expect((await fetch(session.url ?? '')).status).toBe(404);
    const [intent] = (await stripe.paymentIntents.list({ customer })).data;
    expect((await stripe.charges.list({ payment_intent: intent?.id })).data.map(({ status }) => status)).toEqual([
      'succeeded',
      'failed',
    ]);
  });

  it('asks for authentication on a page of its own', async () => {
    const { stripe } = scene;
    const asked = await stripe.paymentIntents.create({
      ...{ amount: 900, currency: 'usd', payment_method: 'pm_card_threeDSecure2Required', confirm: true },
      return_url: 'http://127.0.0.1:1/back',
    });
    const url = asked.next_action?.redirect_to_url?.url ?? '';
    expect(await (await fetch(url)).text()).toContain('Local stand-in, not Stripe');
    const answered = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ succeed: 'true' }),
    });
    expect([answered.status, answered.headers.get('location')]).toEqual([303, 'http://127.0.0.1:1/back']);
    expect((await stripe.paymentIntents.retrieve(asked.id)).status).toBe('succeeded');
  });

  it('expires when asked and by itself, and is completed only once', async () => {
    const { stripe, standIn } = scene;
    const first = await setup();
    expect((await stripe.checkout.sessions.expire(first.id)).status).toBe('expired');
    expect(() => standIn.drive.completeCheckout(first.id, { paymentMethod: 'pm_card_visa' })).toThrow('no longer open');
    const second = await setup();
    await standIn.clock.advance(DAY);
    expect((await stripe.checkout.sessions.retrieve(second.id)).status).toBe('expired');
    expect((await stripe.checkout.sessions.list({ status: 'expired' })).data).toHaveLength(2);
    expect((await stripe.events.list({ type: 'checkout.session.expired' })).data).toHaveLength(2);
    expect((await rejection(topUp(10))).code).toBe('amount_too_small');
  });
});
