import { openScene, rejection, saved, theId } from './scene.js';
import type { Scene } from './scene.js';

describe('customers, payment methods, set-ups and mandates of the local stand-in', () => {
  let scene: Scene;
  beforeAll(async () => (scene = await openScene()));
  afterAll(() => scene.standIn.close());

  it('creates, retrieves, updates and deletes a customer', async () => {
    const { stripe } = scene;
    const made = await stripe.customers.create({
      email: 'a@example.com',
      name: 'Agent A',
      address: { line1: '1 Road', country: 'US' },
      metadata: { account: 'acc_1', region: 'eu' },
    });
    expect(made).toMatchObject({
      object: 'customer',
      livemode: false,
      email: 'a@example.com',
      address: { line1: '1 Road' },
    });
    const updated = await stripe.customers.update(made.id, { metadata: { region: '', tier: '2' } });
    expect(updated.metadata).toEqual({ account: 'acc_1', tier: '2' });
    expect(await stripe.customers.retrieve(made.id)).toMatchObject({ name: 'Agent A', metadata: { tier: '2' } });
    expect(await stripe.customers.del(made.id)).toEqual({ id: made.id, object: 'customer', deleted: true });
    expect(await stripe.customers.retrieve(made.id)).toEqual({ id: made.id, object: 'customer', deleted: true });
    expect((await rejection(stripe.customers.update(made.id, { name: 'B' }))).code).toBe('resource_missing');
  });

  it('lists newest first, page by page, and finds by metadata', async () => {
    const { stripe } = scene;
    const ids: string[] = [];
    for (let n = 0; n < 7; n += 1) {
      ids.unshift((await stripe.customers.create({ email: 'page@example.com', metadata: { n: String(n) } })).id);
    }
    const first = await stripe.customers.list({ email: 'page@example.com', limit: 3 });
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 3));
    expect(first.has_more).toBe(true);
    const all = await stripe.customers.list({ email: 'page@example.com', limit: 3 }).autoPagingToArray({ limit: 100 });
    expect(all.map(({ id }) => id)).toEqual(ids);
    const back = await stripe.customers.list({ email: 'page@example.com', limit: 2, ending_before: ids[4] ?? '' });
    expect(back.data.map(({ id }) => id)).toEqual(ids.slice(2, 4));
    const found = await stripe.customers.search({ query: `email:'page@example.com' AND metadata['n']:'4'` });
    expect(found.data.map(({ id }) => id)).toEqual([ids[2]]);
    const pages = await stripe.customers
      .search({ query: `email:"page@example.com"`, limit: 3 })
      .autoPagingToArray({ limit: 99 });
    expect(pages).toHaveLength(7);
    expect((await rejection(stripe.customers.search({ query: 'colour:"red"' }))).param).toBe('query');
  });

  it('makes a new payment method of a test name each time, attaches it once and detaches it', async () => {
    const { stripe } = scene;
    const [one, other] = [await stripe.customers.create(), await stripe.customers.create()];
    const visa = await stripe.paymentMethods.attach('pm_card_visa', { customer: one.id });
    expect(visa).toMatchObject({
      type: 'card',
      customer: one.id,
      card: { brand: 'visa', last4: '4242', exp_month: 12 },
    });
    const master = await stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_mastercard' } });
    expect(master).toMatchObject({ customer: null, card: { brand: 'mastercard' } });
    await stripe.paymentMethods.attach(master.id, { customer: one.id });
    expect((await rejection(stripe.paymentMethods.attach(master.id, { customer: other.id }))).statusCode).toBe(400);
    expect((await stripe.paymentMethods.list({ customer: one.id, type: 'card' })).data.map(({ id }) => id)).toEqual([
      master.id,
      visa.id,
    ]);
    expect((await stripe.customers.listPaymentMethods(one.id)).data).toHaveLength(2);
    expect((await stripe.paymentMethods.detach(visa.id)).customer).toBeNull();
    expect((await stripe.paymentMethods.list({ customer: one.id })).data).toHaveLength(1);
    await stripe.customers.del(one.id);
    expect((await stripe.paymentMethods.retrieve(master.id)).customer).toBeNull();
  });

  it('refuses a declined card when it is attached, takes one that fails later, and never takes a number', async () => {
    const { stripe } = scene;
    const { id: customer } = await stripe.customers.create();
    const refused = await rejection(stripe.paymentMethods.attach('pm_card_chargeDeclined', { customer }));
    expect(refused).toMatchObject({ type: 'StripeCardError', code: 'card_declined', decline_code: 'generic_decline' });
    expect((await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer })).customer).toBe(customer);
    const card = { number: '4242424242424242', exp_month: 1, exp_year: 2030 };
    expect((await rejection(stripe.paymentMethods.create({ type: 'card', card }))).param).toBe('card[number]');
  });

  it('sets up a card: attached and announced', async () => {
    const { customer, payment_method } = await saved(scene, 'pm_card_visa');
    const method = await scene.stripe.paymentMethods.retrieve(payment_method, { expand: ['customer'] });
    expect(method.customer).toMatchObject({ object: 'customer', id: customer });
    const events = await scene.stripe.events.list({ types: ['setup_intent.*', 'payment_method.attached'], limit: 3 });
    expect(events.data.map(({ type }) => type)).toEqual([
      'setup_intent.succeeded',
      'payment_method.attached',
      'setup_intent.created',
    ]);
  });

  it.each([
    [
      'us_bank_account',
      {
        us_bank_account: {
          account_number: '000123456789',
          routing_number: '110000000',
          account_holder_type: 'company' as const,
        },
      },
    ],
    ['sepa_debit', { sepa_debit: { iban: 'DE89 3704 0044 0532 0130 00' } }],
  ] as const)('sets up %s with a mandate that can be ended', async (type, data) => {
    const { stripe, standIn } = scene;
    const { id: customer } = await stripe.customers.create();
    const method = await stripe.paymentMethods.create({
      type,
      ...data,
      billing_details: { name: 'Agent', email: 'a@b.co' },
    });
    const setup = await stripe.setupIntents.create({ customer, allowed_payment_method_types: [type] });
    expect(setup).toMatchObject({ status: 'requires_payment_method', payment_method_types: [type] });
    const bare = await rejection(stripe.setupIntents.confirm(setup.id, { payment_method: method.id }));
    expect(bare).toMatchObject({ code: 'parameter_missing', param: 'mandate_data' });
    const done = await stripe.setupIntents.confirm(setup.id, {
      mandate_data: { customer_acceptance: { type: 'offline', offline: {} } },
      payment_method: method.id,
      expand: ['mandate', 'payment_method'],
    });
    expect(done).toMatchObject({
      status: 'succeeded',
      mandate: { status: 'active' },
      payment_method: { customer, type },
    });
    standIn.drive.endMandate(method.id);
    const mandate = theId(done.mandate);
    expect((await stripe.mandates.retrieve(mandate)).status).toBe('inactive');
    const [event] = (await stripe.events.list({ type: 'mandate.updated', limit: 1 })).data;
    expect(event?.data).toMatchObject({ object: { id: mandate }, previous_attributes: { status: 'active' } });
  });

  it('fails a set-up with a declined card, asks for authentication, is canceled', async () => {
    const { stripe, standIn } = scene;
    const refused = await rejection(
      stripe.setupIntents.create({ payment_method: 'pm_card_chargeDeclined', confirm: true }),
    );
    expect(refused).toMatchObject({ code: 'card_declined', setup_intent: { status: 'requires_payment_method' } });
    const asked = await stripe.setupIntents.create({ payment_method: 'pm_card_authenticationRequired', confirm: true });
    expect(asked).toMatchObject({ status: 'requires_action', next_action: { type: 'redirect_to_url' } });
    expect(standIn.drive.authenticate(asked.id, { succeed: true }).status).toBe('succeeded');
    const left = await stripe.setupIntents.create();
    expect((await stripe.setupIntents.cancel(left.id, { cancellation_reason: 'abandoned' })).status).toBe('canceled');
    expect((await rejection(stripe.setupIntents.confirm(left.id, { payment_method: 'pm_card_visa' }))).code).toBe(
      'setup_intent_unexpected_state',
    );
  });
});
