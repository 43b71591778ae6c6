import { USD } from '@core/money';
import { instant } from '@core/time';
import { Ledger } from '@features/ledger';
import { Announce } from '@features/webhooks';
import { StripeBalance, StripeCheckout, StripeReturns } from '@platform/stripe';
import { CollectionScene } from '../../../../../test/support/collection-scene.js';
import { OpenCheckout } from '../checkouts/open-checkout.js';
import { StoredMethods } from '../methods/stored-methods.js';
import { RefundStatement } from '../refunds/refund-statement.js';
import { type StripeAccountCommands, stripeAccountCommands } from '../stripe-account.js';

describe('money that goes back', () => {
  let scene: CollectionScene;
  let account: StripeAccountCommands;

  beforeEach(async () => {
    scene = await CollectionScene.build();
    const { writer, database, ids, stripe } = scene;
    account = stripeAccountCommands({
      ...{ writer, database, ids, ledger: new Ledger() },
      methods: new StoredMethods(ids, new Announce(ids)),
      collecting: scene.commands(),
      rails: {
        checkout: new StripeCheckout(stripe),
        balance: new StripeBalance(stripe),
        returns: new StripeReturns(stripe),
      },
      clock: { now: () => instant(scene.standIn.clock.now()) },
    });
  });

  afterEach(() => scene.close());

  /** A statement that a card paid. */
  async function paid(due: bigint, method = 'pm_card_visa'): Promise<{ statement: string; charge: string }> {
    await scene.terms({ rails: ['card', 'bank'] });
    await scene.method(method);
    const statement = await scene.statement(due);
    await scene.round();
    if (method !== 'pm_card_visa') {
      await scene.days(7);
      await scene.round();
    }
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
    return { statement, charge: scene.standIn.successesFor('statement', statement)[0]?.id ?? '' };
  }

  const disputes = async () =>
    (await scene.owner.query<{ state: string; reason: string }>('SELECT state, reason FROM disputes')).rows;
  /** In cents, of what concerns the rail. */
  const booked = async () => {
    const { ledger } = await scene.books();
    return Object.fromEntries(
      Object.entries(ledger).filter(([code]) => ['1010', '1015', '1100', '2050', '5040'].includes(code)),
    );
  };
  const atStripe = (): bigint => {
    const { available, pending } = scene.standIn.books().balance;
    return [...available, ...pending].reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  };
  const hasOfStripe = async (): Promise<bigint> => {
    const { ledger } = await scene.books();
    return (ledger['1010'] ?? 0n) + (ledger['1015'] ?? 0n);
  };

  it('by a dispute that is lost is owed again; one that is won changes nothing', async () => {
    const { statement, charge } = await paid(4_210n);
    const dispute = scene.standIn.drive.openDispute(charge);
    await account.balance.run();
    expect(await Promise.all([1, 2, 3].map(() => account.disputes.run(dispute.id)))).toContainEqual({
      outcome: 'applied',
    });
    expect(await disputes()).toEqual([{ state: 'open', reason: 'fraudulent' }]);
    expect(await scene.collection(statement)).toMatchObject({ state: 'disputed' });
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
    expect(await booked()).toMatchObject({ '2050': 4_210n, '5040': 1_500n });

    scene.standIn.drive.decideDispute(dispute.id, { won: false });
    await account.disputes.run(dispute.id);
    await account.disputes.run(dispute.id);
    await account.balance.run();
    expect(await disputes()).toEqual([{ state: 'lost', reason: 'fraudulent' }]);
    expect(await scene.statementState(statement)).toEqual({ state: 'overdue', open: 4_210n, paid: 0n });
    expect(await booked()).toMatchObject({ '1100': 4_210n, '5040': 1_500n });
    expect(await booked()).not.toHaveProperty('2050');
    expect(await scene.standing()).toBe('prepaid_only');
    expect(await hasOfStripe()).toBe(atStripe());
    expect(await scene.announced()).toEqual(expect.arrayContaining(['dispute.opened', 'dispute.lost']));
  });

  it('is told of by Stripe’s own books where no event comes', async () => {
    const { statement, charge } = await paid(4_210n);
    const dispute = scene.standIn.drive.openDispute(charge);
    await account.balance.run();
    await account.disputes.sweep();
    expect(await disputes()).toEqual([{ state: 'open', reason: 'fraudulent' }]);
    scene.standIn.drive.decideDispute(dispute.id, { won: true });
    await account.disputes.sweep();
    await account.balance.run();
    expect(await disputes()).toEqual([{ state: 'won', reason: 'fraudulent' }]);
    expect(await scene.collection(statement)).toMatchObject({ state: 'paid' });
    expect(await booked()).not.toHaveProperty('2050');
    expect(await hasOfStripe()).toBe(atStripe());
  });

  it('by a bank that takes a debit back ends the method, and is owed again', async () => {
    const { statement, charge } = await paid(4_210n, 'pm_usBankAccount_success');
    const dispute = scene.standIn.drive.returnDebit(charge, 'debit_not_authorized');
    await account.disputes.run(dispute.id);
    await account.balance.run();
    expect(await scene.statementState(statement)).toEqual({ state: 'overdue', open: 4_210n, paid: 0n });
    expect(await booked()).not.toHaveProperty('2050');
    expect(await hasOfStripe()).toBe(atStripe());
    const { rows } = await scene.owner.query("SELECT reason FROM payment_methods WHERE state = 'dead'");
    expect(rows).toEqual([{ reason: 'debit_not_authorized' }]);
  });

  it('of balance that was bought takes what is left of it, and the rest is a loss', async () => {
    const { provider, account: buyer } = scene.seeded;
    await scene.terms();
    const clock = { now: () => instant(scene.standIn.clock.now()) };
    const open = new OpenCheckout(scene.database, new StripeCheckout(scene.stripe), scene.ids, clock);
    const returns = { successUrl: 'https://shop.example/done', cancelUrl: 'https://shop.example/no' };
    const { checkout } = await open.buyBalance({ ...returns, provider, account: buyer, cents: 2_000n, asset: USD.id });
    scene.standIn.drive.completeCheckout(checkout.stripeId ?? '', { paymentMethod: 'pm_card_visa' });
    await account.checkouts.run(checkout.id);
    const [charge] = scene.standIn.books().charges;
    const dispute = scene.standIn.drive.openDispute(charge?.id ?? '');
    scene.standIn.drive.decideDispute(dispute.id, { won: false });
    await account.balance.run();
    await account.disputes.run(dispute.id);
    await account.disputes.run(dispute.id);
    const { ledger } = await scene.books();
    // All of it was left: nothing is lost but the fee.
    expect(ledger).not.toHaveProperty('5030');
    expect(ledger).not.toHaveProperty('2010');
    expect(ledger).not.toHaveProperty('2050');
    expect(await hasOfStripe()).toBe(atStripe());
    expect(await scene.standing()).toBe('prepaid_only');
  });

  it('by a refund is booked at once, sent once, and owed no longer when it does not arrive', async () => {
    const { statement } = await paid(4_210n);
    const { provider } = scene.seeded;
    const refunds = new RefundStatement(scene.database, new Ledger(), scene.ids);
    const first = await refunds.run({ provider, statement, cents: 1_000n, reason: 'slow answers' });
    await expect(refunds.run({ provider, statement, cents: 3_211n, reason: 'too much' })).rejects.toMatchObject({
      reason: 'not_refundable',
      details: { cents: '3210' },
    });
    expect((await scene.books()).ledger).toMatchObject({ '2040': -1_000n, '4090': 1_000n });
    await Promise.all([1, 2, 3].map(() => account.refunds.run()));
    await account.refunds.run(first.id);
    await account.balance.run();
    expect(scene.standIn.books().refunds.map(({ amount, status }) => [amount, status])).toEqual([[1_000, 'succeeded']]);
    expect((await scene.books()).ledger).not.toHaveProperty('2040');
    expect(await hasOfStripe()).toBe(atStripe());
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
    expect(await refunds.list({ provider, statement })).toMatchObject([{ state: 'succeeded', cents: 1_000n }]);
  });
});
