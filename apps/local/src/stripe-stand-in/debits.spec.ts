import { DAY, HOUR, MINUTE } from './clock.js';
import { MONDAY, openScene, pay, rejection, saved, theId } from './scene.js';
import type { Scene } from './scene.js';

describe('bank debits on the local stand-in', () => {
  let scene: Scene;
  beforeEach(async () => (scene = await openScene()));
  afterEach(() => scene.standIn.close());

  it('is processing for four business days, then succeeds with its fee', async () => {
    const { stripe, standIn } = scene;
    const started = await pay(scene, 'pm_usBankAccount_success');
    expect(started.status).toBe('processing');
    const charge = await stripe.charges.retrieve(theId(started.latest_charge));
    expect(charge).toMatchObject({ status: 'pending', paid: false, balance_transaction: null });
    expect(charge.id).toMatch(/^py_/);
    await standIn.clock.advance(4 * DAY - 1);
    expect((await stripe.paymentIntents.retrieve(started.id)).status).toBe('processing');
    await standIn.clock.advance(1);
    const done = await stripe.paymentIntents.retrieve(started.id, { expand: ['latest_charge.balance_transaction'] });
    expect(done).toMatchObject({
      status: 'succeeded',
      amount_received: 26_400,
      latest_charge: { status: 'succeeded', balance_transaction: { type: 'payment', fee: 211, net: 26_189 } },
    });
  });

  it('counts no weekend', async () => {
    const { stripe, standIn } = scene;
    await standIn.clock.advance(3 * DAY);
    const thursday = await pay(scene, 'pm_usBankAccount_success');
    await standIn.clock.advance(6 * DAY - 1);
    expect((await stripe.paymentIntents.retrieve(thursday.id)).status).toBe('processing');
    await standIn.clock.advance(1);
    expect((await stripe.paymentIntents.retrieve(thursday.id)).status).toBe('succeeded');
    expect(standIn.clock.now()).toBe(MONDAY + 9 * DAY);
  });

  it('has a cap on its fee, and stays in processing if told so', async () => {
    const { stripe, standIn } = scene;
    const large = await pay(scene, 'pm_usBankAccount_success', 1_000_000);
    const stuck = await pay(scene, 'pm_usBankAccount_processing');
    await standIn.clock.advance(30 * DAY);
    const done = await stripe.paymentIntents.retrieve(large.id, { expand: ['latest_charge.balance_transaction'] });
    expect(done.latest_charge).toMatchObject({ balance_transaction: { fee: 500 } });
    expect((await stripe.paymentIntents.retrieve(stuck.id)).status).toBe('processing');
  });

  it.each([
    ['pm_usBankAccount_insufficientFunds', 'insufficient_funds', false],
    ['pm_usBankAccount_accountClosed', 'account_closed', true],
    ['pm_usBankAccount_debitNotAuthorized', 'debit_not_authorized', true],
    ['pm_usBankAccount_noAccount', 'no_account', true],
  ])('%s fails days later with %s', async (name, code, blocked) => {
    const { stripe, standIn } = scene;
    const started = await pay(scene, name);
    await standIn.clock.advance(4 * DAY);
    const failed = await stripe.paymentIntents.retrieve(started.id, { expand: ['latest_charge'] });
    expect(failed).toMatchObject({
      status: 'requires_payment_method',
      payment_method: null,
      last_payment_error: { code, payment_method: { type: 'us_bank_account' } },
      latest_charge: { status: 'failed', failure_code: code },
    });
    const [fee] = (await stripe.balanceTransactions.list({ type: 'stripe_fee' })).data;
    expect(fee).toMatchObject({ amount: -400, fee: 0, net: -400, source: null });
    const method = failed.last_payment_error?.payment_method?.id ?? '';
    const customer = theId(failed.customer);
    const again = stripe.paymentIntents.create({
      ...{ amount: 700, currency: 'usd', customer, payment_method: method, off_session: true, confirm: true },
    });
    if (blocked) {
      expect((await rejection(again)).code).toBe('payment_intent_mandate_invalid');
      expect((await stripe.paymentMethods.retrieve(method)).us_bank_account?.status_details?.blocked).toBeDefined();
      expect((await stripe.events.list({ type: 'mandate.updated' })).data).toHaveLength(1);
    } else {
      expect((await again).status).toBe('processing');
    }
  });

  it('debits nothing without a mandate, and nothing under one that has ended', async () => {
    const { stripe, standIn } = scene;
    const naked = { amount: 700, currency: 'usd', payment_method: 'pm_usBankAccount_success', confirm: true };
    expect((await rejection(stripe.paymentIntents.create(naked))).code).toBe('payment_intent_mandate_invalid');
    const acceptance = { customer_acceptance: { type: 'offline' as const, offline: {} } };
    expect((await stripe.paymentIntents.create({ ...naked, mandate_data: acceptance })).status).toBe('processing');
    const who = await saved(scene, 'pm_usBankAccount_success');
    standIn.drive.endMandate(who.payment_method);
    const after = stripe.paymentIntents.create({
      ...who,
      amount: 700,
      currency: 'usd',
      off_session: true,
      confirm: true,
    });
    expect((await rejection(after)).code).toBe('payment_intent_mandate_invalid');
  });

  it('is made in the currency of its scheme only', async () => {
    const { stripe, standIn } = scene;
    const sepa = await stripe.paymentMethods.create({
      ...{ type: 'sepa_debit' as const, sepa_debit: { iban: 'AT611904300234573201' } },
    });
    for (const [method, currency] of [
      [sepa.id, 'usd'],
      ['pm_usBankAccount_success', 'eur'],
    ] as const) {
      const who = await saved(scene, method);
      const wrong = stripe.paymentIntents.create({ ...who, amount: 1000, currency, off_session: true, confirm: true });
      expect(await rejection(wrong)).toMatchObject({ param: 'currency' });
    }
    expect(standIn.books().paymentIntents).toEqual([]);
  });

  it.each([
    ['AT321904300235473204', 3 * MINUTE, 'succeeded'],
    ['DE78370400440532013004', 3 * MINUTE, 'requires_payment_method'],
    ['AT611904300234573201', 4 * DAY, 'succeeded'],
    ['AT861904300235473202', 4 * DAY, 'requires_payment_method'],
  ])('SEPA %s: after %d ms %s', async (iban, wait, status) => {
    const { stripe, standIn } = scene;
    const method = await stripe.paymentMethods.create({
      ...{ type: 'sepa_debit' as const, sepa_debit: { iban }, billing_details: { name: 'A', email: 'a@b.co' } },
    });
    const who = await saved(scene, method.id);
    const started = await stripe.paymentIntents.create({
      ...who,
      amount: 1000,
      currency: 'eur',
      off_session: true,
      confirm: true,
    });
    await standIn.clock.advance(wait - 1);
    expect((await stripe.paymentIntents.retrieve(started.id)).status).toBe('processing');
    await standIn.clock.advance(1);
    expect((await stripe.paymentIntents.retrieve(started.id)).status).toBe(status);
    expect(standIn.books().sums.eur?.fees ?? 0).toBe(status === 'succeeded' ? 8 : 0);
  });

  it('is disputed after it succeeded: lost at once, amount and fee withdrawn', async () => {
    const { stripe, standIn } = scene;
    const started = await pay(scene, 'pm_usBankAccount_dispute');
    await standIn.clock.advance(4 * DAY);
    expect((await stripe.paymentIntents.retrieve(started.id)).status).toBe('succeeded');
    await standIn.clock.advance(DAY + HOUR);
    const [dispute] = (await stripe.disputes.list({ payment_intent: started.id })).data;
    expect(dispute).toMatchObject({ status: 'lost', reason: 'debit_not_authorized', amount: 26_400 });
    expect(dispute?.balance_transactions).toMatchObject([
      { amount: -26_400, fee: 1500, net: -27_900, type: 'adjustment' },
    ]);
    const charge = await stripe.charges.retrieve(theId(started.latest_charge));
    expect(charge).toMatchObject({ status: 'succeeded', disputed: true });
  });

  it('comes back late for want of funds: cheaper than a dispute, and as final', async () => {
    const { stripe, standIn } = scene;
    const started = await pay(scene, 'pm_usBankAccount_success');
    await standIn.clock.advance(20 * DAY);
    const back = standIn.drive.returnDebit(theId(started.latest_charge));
    expect(back).toMatchObject({ status: 'lost', reason: 'insufficient_funds' });
    expect(back.balance_transactions).toMatchObject([{ amount: -26_400, fee: 400 }]);
    const types = (await stripe.events.list({ type: 'charge.dispute.*' })).data.map(({ type }) => type);
    expect(types).toEqual(['charge.dispute.closed', 'charge.dispute.funds_withdrawn', 'charge.dispute.created']);
  });
});
