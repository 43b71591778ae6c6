import type Stripe from 'stripe';
import { DAY, HOUR } from './clock.js';
import { openScene, pay, rejection, theId } from './scene.js';
import type { Scene } from './scene.js';

describe('balance and payouts of the local stand-in', () => {
  let scene: Scene;
  beforeEach(async () => (scene = await openScene()));
  afterEach(() => scene.standIn.close());

  async function usd(): Promise<{ available: number | undefined; pending: number | undefined }> {
    const { available, pending } = await scene.stripe.balance.retrieve();
    const of = (side: readonly { currency: string; amount: number }[]) =>
      side.find((one) => one.currency === 'usd')?.amount;
    return { available: of(available), pending: of(pending) };
  }

  function all(params: Stripe.BalanceTransactionListParams): Promise<Stripe.BalanceTransaction[]> {
    return scene.stripe.balanceTransactions.list(params).autoPagingToArray({ limit: 1000 });
  }

  it('keeps funds pending until the second midnight, then pays them out to the cent', async () => {
    const { stripe, standIn } = scene;
    await pay(scene, 'pm_card_visa', 26_400);
    const { id: payment_intent } = await pay(scene, 'pm_card_visa', 1000);
    await stripe.refunds.create({ payment_intent, amount: 400 });
    expect(await usd()).toEqual({ available: -400, pending: 25_604 + 941 });
    await standIn.clock.advance(DAY);
    expect((await stripe.payouts.list()).data).toEqual([]);
    await standIn.clock.advance(DAY);
    const [payout] = (await stripe.payouts.list()).data;
    expect(payout).toMatchObject({
      ...{ amount: 26_145, automatic: true, currency: 'usd', reconciliation_status: 'in_progress' },
    });
    expect(await usd()).toEqual({ available: 0, pending: 0 });
    const lines = await all({ payout: payout?.id });
    expect(lines.map(({ type }) => type).sort()).toEqual(['charge', 'charge', 'payout', 'refund']);
    expect(lines.reduce((sum, { net }) => sum + net, 0)).toBe(0);
    expect(lines.every(({ net, amount, fee }) => net === amount - fee)).toBe(true);
    await standIn.clock.advance(DAY);
    expect(await stripe.payouts.retrieve(payout?.id ?? '', { expand: ['balance_transaction'] })).toMatchObject({
      ...{
        status: 'paid',
        reconciliation_status: 'completed',
        balance_transaction: { type: 'payout', amount: -26_145 },
      },
    });
    const types = (await stripe.events.list({ type: 'payout.*' })).data.map(({ type }) => type);
    expect(types).toEqual(['payout.reconciliation_completed', 'payout.paid', 'payout.updated', 'payout.created']);
    expect((await stripe.events.list({ type: 'balance.available' })).data).toHaveLength(1);
  });

  it('moves on weekends as little as banks do', async () => {
    const { stripe, standIn } = scene;
    await standIn.clock.advance(3 * DAY);
    await pay(scene, 'pm_card_visa');
    await standIn.clock.advance(2 * DAY);
    const [payout] = (await stripe.payouts.list()).data;
    expect(new Date((payout?.created ?? 0) * 1000).getUTCDay()).toBe(6);
    expect(new Date((payout?.arrival_date ?? 0) * 1000).getUTCDay()).toBe(1);
  });

  it('pays out by hand what is available, and no more', async () => {
    const { stripe, standIn } = scene;
    await pay(scene, 'pm_card_bypassPending', 2000);
    expect(await usd()).toEqual({ available: 1912, pending: 0 });
    expect((await rejection(stripe.payouts.create({ amount: 1913, currency: 'usd' }))).code).toBe(
      'balance_insufficient',
    );
    const payout = await stripe.payouts.create({ amount: 1100, currency: 'usd', metadata: { by: 'hand' } });
    expect(payout).toMatchObject({ status: 'pending', automatic: false, reconciliation_status: 'not_applicable' });
    expect(await usd()).toEqual({ available: 812, pending: 0 });
    const other = await stripe.payouts.create({ amount: 12, currency: 'usd' });
    expect((await stripe.payouts.cancel(other.id)).status).toBe('canceled');
    await standIn.clock.advance(DAY);
    const [automatic] = (await stripe.payouts.list({ limit: 1 })).data;
    expect(automatic).toMatchObject({ amount: 812, automatic: true });
    expect((await all({ payout: automatic?.id })).reduce((sum, { net }) => sum + net, 0)).toBe(0);
  });

  it('takes a failed payout back into the balance and pays it out again', async () => {
    const { stripe, standIn } = scene;
    await pay(scene, 'pm_card_bypassPending', 2000);
    standIn.drive.payOut();
    const [payout] = (await stripe.payouts.list()).data;
    standIn.drive.failPayout(payout?.id ?? '');
    const failed = await stripe.payouts.retrieve(payout?.id ?? '', { expand: ['failure_balance_transaction'] });
    expect(failed).toMatchObject({
      ...{
        status: 'failed',
        failure_code: 'account_closed',
        failure_balance_transaction: { type: 'payout_failure', amount: 1912 },
      },
    });
    expect(await usd()).toEqual({ available: 1912, pending: 0 });
    standIn.drive.payOut();
    const [second] = (await stripe.payouts.list()).data;
    expect(second).toMatchObject({ amount: 1912, status: 'pending' });
  });

  it('can be late with the transaction of a card payment, and then says so', async () => {
    const { stripe, standIn } = scene;
    standIn.setPostingLag(5000);
    const { id, latest_charge: charge } = await pay(scene, 'pm_card_visa');
    expect((await stripe.charges.retrieve(theId(charge))).balance_transaction).toBeNull();
    expect(await usd()).toEqual({ available: 0, pending: 0 });
    await standIn.clock.advance(5000);
    const posted = await stripe.paymentIntents.retrieve(id, { expand: ['latest_charge.balance_transaction'] });
    expect(posted.latest_charge).toMatchObject({ balance_transaction: { fee: 796 } });
    const [event] = (await stripe.events.list({ type: 'charge.updated' })).data;
    expect(event?.data).toMatchObject({ object: { id: charge }, previous_attributes: { balance_transaction: null } });
  });

  it('lists transactions by source, type and time', async () => {
    const { standIn } = scene;
    const { latest_charge: charge } = await pay(scene, 'pm_card_visa');
    await standIn.clock.advance(HOUR);
    const since = Math.floor(standIn.clock.now() / 1000);
    await pay(scene, 'pm_card_visa');
    expect(await all({ source: theId(charge) })).toMatchObject([{ type: 'charge', fee: 796 }]);
    expect(await all({ type: 'charge' })).toHaveLength(2);
    expect(await all({ created: { gte: since } })).toHaveLength(1);
    const [line] = await all({ source: theId(charge), expand: ['data.source'] });
    expect(line?.source).toMatchObject({ object: 'charge', id: charge });
  });

  it('agrees with itself: what was charged, less all that went out, is the balance', async () => {
    const { stripe, standIn } = scene;
    const { id: refunded } = await pay(scene, 'pm_card_visa', 12_345);
    await stripe.refunds.create({ payment_intent: refunded, amount: 345 });
    await pay(scene, 'pm_card_createDispute', 5000);
    await pay(scene, 'pm_usBankAccount_success', 99_999);
    await pay(scene, 'pm_usBankAccount_insufficientFunds', 777);
    await pay(scene, 'pm_usBankAccount_dispute', 888);
    await rejection(pay(scene, 'pm_card_chargeCustomerFail', 1000));
    for (let day = 0; day < 12; day += 1) {
      await standIn.clock.advance(DAY);
      for (const sums of Object.values(standIn.books().sums)) {
        const { charged, refunded: back, withdrawn, reinstated, fees, paidOut, balance, available, pending } = sums;
        expect(charged - back - withdrawn + reinstated - fees - paidOut).toBe(balance);
        expect(available + pending).toBe(balance);
      }
    }
    expect(standIn.books().sums.usd).toMatchObject({
      ...{ charged: 12_345 + 5000 + 99_999 + 888, refunded: 345, withdrawn: 5888, reinstated: 0, pending: 0 },
      fees: 388 + 175 + 500 + 400 + 7 + 2 * 1500,
    });
  });
});
