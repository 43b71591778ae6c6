import { COLLECTION_PLACES } from '@core/collections';
import { CollectionInterrupt, CollectionScene, USDC } from '../../../../test/support/collection-scene.js';

describe('collecting statements, on PostgreSQL and the local stand-in for Stripe', () => {
  let scene: CollectionScene;

  beforeEach(async () => {
    scene = await CollectionScene.build();
  });

  afterEach(() => scene.close());

  it('collects by card: one success, the statement paid, nothing owed', async () => {
    await scene.terms();
    await scene.method('pm_card_visa');
    const statement = await scene.statement(4_210n);
    expect(await scene.round()).toEqual([]);
    expect(await scene.collection(statement)).toMatchObject({ state: 'paid' });
    expect(await scene.statementState(statement)).toEqual({ state: 'paid', open: 0n, paid: 4_210n });
    expect(scene.paidAtStripe(statement)).toEqual([4_210]);
    expect(await scene.books()).toEqual({ ledger: { '1015': 4_210n, '4010': -4_210n }, due: 0n });
    expect(await scene.announced()).toEqual(['statement.paid']);
    // Once more: nothing is left to do.
    await scene.round();
    expect(await scene.attempts(statement)).toEqual(['card succeeded']);
  });

  it('waits for the time a statement is due', async () => {
    await scene.terms();
    await scene.method('pm_card_visa');
    const statement = await scene.statement(900n, { dueInDays: 14 });
    await scene.round();
    await expect(scene.collection(statement)).rejects.toThrow('no collection');
  });

  it('tries again by the schedule after a decline, is past due meanwhile, and good again when paid', async () => {
    await scene.terms({ pastDue: 'suspend' });
    await scene.method('pm_card_chargeCustomerFail');
    const statement = await scene.statement(4_210n);
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({
      state: 'dunning',
      dunning: 1,
      daysToNext: 3,
      reason: 'generic_decline',
    });
    expect(await scene.statementState(statement)).toMatchObject({ state: 'overdue', open: 4_210n });
    expect(await scene.standing()).toBe('suspended');
    await scene.days(3);
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'dunning', dunning: 2, daysToNext: 5 });
    await scene.method('pm_card_visa');
    await scene.days(5);
    await scene.round();
    expect(await scene.attempts(statement)).toEqual([
      'card failed generic_decline',
      'card failed generic_decline',
      'card succeeded',
    ]);
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
    expect(await scene.standing()).toBe('good');
    expect(scene.paidAtStripe(statement)).toEqual([4_210]);
    expect(await scene.announced()).toEqual([
      'statement.past_due',
      'account.suspended',
      'collection.failed',
      'collection.failed',
      'statement.paid',
      'account.restored',
    ]);
  });

  it('gives a second card its turn before the first is asked again', async () => {
    await scene.terms();
    const second = await scene.method('pm_card_visa');
    const first = await scene.method('pm_card_chargeCustomerFail');
    const statement = await scene.statement(4_210n);
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'dunning' });
    await scene.days(3);
    await scene.round();
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
    const { rows } = await scene.owner.query('SELECT method_id FROM collection_attempts ORDER BY number');
    expect(rows).toEqual([{ method_id: first.id }, { method_id: second.id }]);
  });

  it('gives up when the schedule is over: written off, and the account restricted', async () => {
    await scene.terms();
    await scene.method('pm_card_chargeCustomerFail');
    const statement = await scene.statement(4_210n);
    for (const days of [0, 3, 5, 7]) {
      await scene.days(days);
      await scene.round();
    }
    expect(await scene.collection(statement)).toMatchObject({ state: 'uncollectible', dunning: 3 });
    expect(await scene.attempts(statement)).toHaveLength(4);
    expect(await scene.statementState(statement)).toEqual({ state: 'uncollectible', open: 0n, paid: 0n });
    expect(await scene.books()).toEqual({ ledger: { '4010': -4_210n, '5030': 4_210n }, due: 0n });
    expect(await scene.standing()).toBe('prepaid_only');
    expect(scene.paidAtStripe(statement)).toEqual([]);
    expect(await scene.announced()).toContain('statement.uncollectible');
  });

  it('takes steps of the schedule where there is no method, and collects when there is one', async () => {
    await scene.terms();
    const statement = await scene.statement(4_210n);
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'dunning', dunning: 1, reason: 'no_method' });
    await scene.method('pm_card_visa');
    await scene.days(3);
    await scene.round();
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
  });

  it('follows a bank debit for days: on its way, then paid', async () => {
    await scene.terms({ rails: ['bank', 'card'] });
    await scene.method('pm_usBankAccount_success');
    const statement = await scene.statement(4_210n);
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'processing' });
    expect(await scene.statementState(statement)).toMatchObject({ state: 'processing', open: 4_210n });
    expect(await scene.books()).toEqual({ ledger: { '1120': 4_210n, '4010': -4_210n }, due: 4_210n });
    await scene.hurry();
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'processing' });
    expect(await scene.standing()).toBe('good');
    await scene.days(7);
    await scene.round();
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
    expect(await scene.books()).toEqual({ ledger: { '1015': 4_210n, '4010': -4_210n }, due: 0n });
    expect(scene.paidAtStripe(statement)).toEqual([4_210]);
  });

  it('goes to the next rail when a bank account turns out to be closed, days later', async () => {
    await scene.terms({ rails: ['bank', 'card'] });
    await scene.method('pm_usBankAccount_accountClosed');
    await scene.method('pm_card_visa');
    const statement = await scene.statement(4_210n);
    await scene.round();
    await scene.days(7);
    await scene.round();
    expect(await scene.attempts(statement)).toEqual(['bank failed account_closed', 'card succeeded']);
    const { rows } = await scene.owner.query("SELECT rail, reason FROM payment_methods WHERE state = 'dead'");
    expect(rows).toEqual([{ rail: 'bank', reason: 'account_closed' }]);
    expect(await scene.books()).toEqual({ ledger: { '1015': 4_210n, '4010': -4_210n }, due: 0n });
    expect(await scene.announced()).toEqual(['payment_method.dead', 'collection.failed', 'statement.paid']);
  });

  it('goes to the next rail when the mandate is gone, and never debits without one', async () => {
    await scene.terms({ rails: ['bank', 'card'] });
    const { stripeId } = await scene.method('pm_usBankAccount_success');
    await scene.method('pm_card_visa');
    scene.standIn.drive.endMandate(stripeId);
    const statement = await scene.statement(4_210n);
    await scene.round();
    expect(await scene.attempts(statement)).toEqual(['bank failed payment_intent_mandate_invalid', 'card succeeded']);
  });

  it('tries a bank debit that failed for want of funds again, and then again', async () => {
    await scene.terms({ rails: ['bank'] });
    await scene.method('pm_usBankAccount_insufficientFunds');
    const statement = await scene.statement(4_210n);
    await scene.round();
    await scene.days(7);
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({
      state: 'dunning',
      dunning: 1,
      reason: 'insufficient_funds',
    });
    expect(await scene.books()).toEqual({ ledger: { '1100': 4_210n, '4010': -4_210n }, due: 4_210n });
    await scene.days(3);
    await scene.round();
    expect(await scene.attempts(statement)).toEqual(['bank failed insufficient_funds', 'bank processing']);
  });

  it('is owed again when a bank takes a debit back that had succeeded', async () => {
    await scene.terms({ rails: ['bank', 'card'] });
    await scene.method('pm_usBankAccount_success');
    await scene.method('pm_card_visa');
    const statement = await scene.statement(4_210n);
    await scene.round();
    await scene.days(7);
    await scene.round();
    const [charge] = scene.standIn.successesFor('statement', statement);
    const dispute = scene.standIn.drive.returnDebit(charge?.id ?? '', 'debit_not_authorized');
    const intent = typeof charge?.payment_intent === 'string' ? charge.payment_intent : '';
    const { reversals } = scene.commands();
    const back = () =>
      scene.database.forProvider(scene.seeded.provider, async (tx) => {
        const collected = await reversals.find(tx, intent);
        return (
          collected &&
          reversals.returned(tx, collected, { fact: dispute.id, code: dispute.reason, cents: BigInt(dispute.amount) })
        );
      });
    expect(await back()).toMatchObject({ changed: true, deadMethod: expect.stringContaining('pmt_') });
    expect(await back()).toMatchObject({ changed: false });
    expect(await scene.statementState(statement)).toEqual({ state: 'overdue', open: 4_210n, paid: 0n });
    // What left Stripe's balance is posted with Stripe's own books.
    expect(await scene.books()).toEqual({
      ledger: { '1015': 4_210n, '1100': 4_210n, '2050': -4_210n, '4010': -4_210n },
      due: 4_210n,
    });
    await scene.days(3);
    await scene.round();
    expect(await scene.attempts(statement)).toEqual(['bank reversed debit_not_authorized', 'card succeeded']);
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
  });

  it('does not ask a card again whose holder has to be there, and says so', async () => {
    await scene.terms({ rails: ['card', 'bank'] });
    await scene.method('pm_card_authenticationRequired');
    const statement = await scene.statement(4_210n);
    await scene.round();
    expect(await scene.attempts(statement)).toEqual(['card failed authentication_required']);
    expect(await scene.announced()).toContain('collection.requires_action');
    await scene.days(3);
    await scene.round();
    expect(await scene.attempts(statement)).toHaveLength(1);
    expect(await scene.collection(statement)).toMatchObject({ state: 'dunning', dunning: 2 });
  });

  it('collects whole cents of a statement in USDC at par, and carries what is less to the next one', async () => {
    await scene.terms({ asset: USDC });
    await scene.method('pm_card_visa');
    const statement = await scene.statement(12_345_678n, { asset: USDC });
    await scene.round();
    expect(scene.paidAtStripe(statement)).toEqual([1_234]);
    expect(await scene.statementState(statement)).toEqual({ state: 'paid', open: 0n, paid: 12_340_000n });
    expect(await scene.books()).toEqual({
      ledger: {
        '1015': 1_234n,
        '5060': -1_234n,
        '5060 usdc': 12_340_000n,
        '1110 usdc': 5_678n,
        '4010 usdc': -12_345_678n,
      },
      due: 5_678n,
    });
  });

  it('leaves what is less than 50 cents alone', async () => {
    await scene.terms();
    await scene.method('pm_card_visa');
    const statement = await scene.statement(49n);
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'waiting', reason: 'too_small' });
    await scene.days(1);
    await scene.round();
    expect(await scene.attempts(statement)).toEqual([]);
    expect(await scene.collection(statement)).toMatchObject({ state: 'waiting' });
    expect(await scene.statementState(statement)).toMatchObject({ state: 'issued' });
    expect(await scene.standing()).toBe('good');
  });

  it('stops and says so when the intent is not of the amount that was asked for', async () => {
    await scene.terms({ rails: ['bank'] });
    await scene.method('pm_usBankAccount_processing');
    const statement = await scene.statement(4_210n);
    const interrupt = new CollectionInterrupt();
    interrupt.armed = 'collections.intent-stored';
    await expect(scene.round(scene.commands(interrupt))).rejects.toThrow('interrupted');
    const { rows } = await scene.owner.query<{ intent: string }>(
      'SELECT payment_intent AS intent FROM collection_attempts',
    );
    await scene.stripe.paymentIntents.update(rows[0]?.intent ?? '', { amount: 9_999 });
    await scene.hurry();
    const before = await scene.books();
    expect((await scene.round()).join()).toContain('is of 9999 and not of 4210');
    expect(await scene.collection(statement)).toMatchObject({ state: 'halted' });
    expect(await scene.books()).toEqual(before);
    await scene.hurry();
    expect(await scene.round()).toEqual([]);
  });

  it.each(COLLECTION_PLACES)('goes on after an interruption at %s, and collects once', async (place) => {
    await scene.terms({ rails: ['card'] });
    const declines = place === 'collections.canceled';
    await scene.method(declines ? 'pm_card_chargeCustomerFail' : 'pm_card_visa');
    const statement = await scene.statement(4_210n);
    const interrupt = new CollectionInterrupt();
    interrupt.armed = place;
    await expect(scene.round(scene.commands(interrupt))).rejects.toThrow(place);
    await scene.hurry();
    await scene.round();
    if (declines) {
      expect(await scene.attempts(statement)).toEqual(['card failed generic_decline']);
      expect(scene.paidAtStripe(statement)).toEqual([]);
      return;
    }
    expect(await scene.attempts(statement)).toEqual(['card succeeded']);
    expect(scene.paidAtStripe(statement)).toEqual([4_210]);
    expect(scene.standIn.books().paymentIntents).toHaveLength(1);
    expect(await scene.books()).toEqual({ ledger: { '1015': 4_210n, '4010': -4_210n }, due: 0n });
  });

  it('shares the work between workers at the same moment: each statement is collected once', async () => {
    await scene.terms({ rails: ['card'] });
    await scene.method('pm_card_visa');
    const statements: string[] = [];
    for (let i = 0; i < 8; i += 1) statements.push(await scene.statement(1_000n + BigInt(i)));
    const workers = [scene.commands(), scene.commands(), scene.commands()];
    await Promise.all(workers.map(({ open }) => open.run()));
    await Promise.all(workers.map(({ collect }) => collect.run()));
    for (const [i, statement] of statements.entries()) expect(scene.paidAtStripe(statement)).toEqual([1_000 + i]);
    expect(scene.standIn.books().paymentIntents).toHaveLength(8);
    expect((await scene.books()).ledger).toEqual({ '1015': 8_028n, '4010': -8_028n });
  });
});
