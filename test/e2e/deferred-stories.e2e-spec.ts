import { DeferredMonth } from '../support/deferred-month.js';

// Months of accounts that work now and are billed later, each to its end: in each, the ledger, the statement and Stripe agree to the cent.
// Fees are those of the local stand-in: 2.9 % + 30 cents by card, 0.8 % by bank, 400 for a debit that failed, 1500 for a dispute.

const DAY = 86_400_000;

let month: DeferredMonth;

beforeEach(async () => {
  month = await DeferredMonth.open('a month');
});
afterEach(async () => {
  try {
    expect(await month.faults()).toEqual([]);
  } finally {
    await month.end();
  }
});

it('by card: used and called on credit, billed at its end, collected, and paid out to the bank', async () => {
  const account = await month.account('agent', { rails: ['card'] });
  await month.stores(account, 'pm_card_visa');
  await month.day(3);
  await month.uses('agent', 1_234);
  for (const cents of [125n, 125n, 99n]) expect(await month.calls(account, cents)).toBe(true);
  await month.day(20);
  await month.uses('agent', 66);
  expect(await month.ledger()).toEqual({ '1110': 1_649n, '4010': -1_649n });

  await month.close();
  const { number, due, closing, state, id } = await month.issued(account, 1_649n);
  expect([number, due, closing, state]).toEqual(['S-000001', 1_649n, 1_649n, 'issued']);
  expect(await month.ledger()).toEqual({ '1100': 1_649n, '4010': -1_649n });

  expect(await month.scene.round()).toEqual([]);
  expect(await month.attempts(account)).toEqual(['card succeeded']);
  expect(month.scene.standIn.successesFor('statement', id).map(({ amount }) => amount)).toEqual([1_649]);
  await month.scene.days(4);
  expect(await month.state(account)).toBe('paid');
  // 48 + 30 of it is Stripe's.
  expect(await month.ledger()).toEqual({ '1030': 1_571n, '5010': 78n, '4010': -1_649n });
  expect(month.scene.standIn.books().sums.usd).toMatchObject({ charged: 1_649, fees: 78, paidOut: 1_571, balance: 0 });
  expect(await month.announced()).toEqual(['payment_method.attached', 'statement.issued', 'statement.paid']);
});

it('by bank: the debit fails after days, is tried again by the schedule, and is paid', async () => {
  const account = await month.account('agent', { rails: ['bank'] });
  await month.stores(account, 'pm_usBankAccount_insufficientFunds');
  await month.uses('agent', 25_000);
  await month.close();
  await month.issued(account, 25_000n);
  await month.scene.round();
  expect([await month.state(account), await month.standing(account)]).toEqual(['processing', 'good']);
  expect(await month.ledger()).toEqual({ '1120': 25_000n, '4010': -25_000n });

  await month.scene.days(6);
  expect(await month.attempts(account)).toEqual(['bank failed insufficient_funds']);
  expect([await month.state(account), await month.standing(account)]).toEqual(['overdue', 'prepaid_only']);
  expect(await month.calls(account, 1n)).toBe(false);
  const [bank = ''] = await month.scene.methodsOf(account);
  month.scene.standIn.drive.behaveLike(bank, 'pm_usBankAccount_success');

  await month.scene.days(12);
  expect(await month.attempts(account)).toEqual(['bank failed insufficient_funds', 'bank succeeded']);
  expect([await month.state(account), await month.standing(account)]).toEqual(['paid', 'good']);
  expect(await month.calls(account, 1n)).toBe(true);
  expect(await month.ledger()).toEqual({ '1110': 1n, '1030': 24_400n, '5010': 600n, '4010': -25_001n });
  expect(await month.announced()).toEqual([
    ...['payment_method.attached', 'statement.issued', 'statement.past_due', 'account.restricted', 'collection.failed'],
    ...['statement.paid', 'account.restored'],
  ]);
});

it('reaches its limit in the middle, and is free again when it has paid', async () => {
  const account = await month.account('agent', { rails: ['card'], limit: 2_000n });
  await month.stores(account, 'pm_card_visa');
  await month.day(5);
  await month.uses('agent', 1_200);
  let served = 0;
  while (await month.calls(account, 150n)) served += 1;
  // Of 2000, what was used left 800: five calls at 150.
  expect(served).toBe(5);
  expect(await month.calls(account, 50n)).toBe(true);
  expect(await month.calls(account, 1n)).toBe(false);
  await month.close();
  await month.issued(account, 2_000n);
  // Billed is not paid.
  expect(await month.calls(account, 1n)).toBe(false);
  await month.scene.round();
  expect(await month.state(account)).toBe('paid');
  expect(await month.calls(account, 2_000n)).toBe(true);
  expect(await month.calls(account, 1n)).toBe(false);
  await month.scene.days(4);
  expect(await month.ledger()).toEqual({ '1110': 2_000n, '1030': 1_912n, '5010': 88n, '4010': -4_000n });
});

it('is disputed and lost: owed again, restricted, and paid by another card', async () => {
  const account = await month.account('agent', { rails: ['card'] });
  await month.stores(account, 'pm_card_createDispute');
  await month.uses('agent', 9_000);
  await month.close();
  await month.issued(account, 9_000n);
  await month.scene.round();
  expect(await month.state(account)).toBe('paid');
  await month.scene.days(2);
  const [dispute] = month.scene.standIn.books().disputes;
  expect(await month.attempts(account)).toEqual(['card disputed']);
  expect(await month.ledger()).toMatchObject({ '2050': 9_000n, '5040': 1_500n, '4010': -9_000n });
  // While it is open, it counts as paid.
  expect([await month.state(account), await month.standing(account)]).toEqual(['paid', 'good']);
  expect(await month.faults()).toEqual([]);

  month.scene.standIn.drive.decideDispute(dispute?.id ?? '', { won: false });
  await month.scene.days(1);
  expect(await month.attempts(account)).toEqual([expect.stringMatching(/^card reversed/)]);
  expect([await month.state(account), await month.standing(account)]).toEqual(['overdue', 'prepaid_only']);
  expect(await month.ledger()).toMatchObject({ '1100': 9_000n, '4010': -9_000n });
  expect(await month.faults()).toEqual([]);

  await month.stores(account, 'pm_card_mastercard');
  await month.scene.days(9);
  expect(await month.attempts(account)).toEqual([expect.stringMatching(/^card reversed/), 'card succeeded']);
  expect([await month.state(account), await month.standing(account)]).toEqual(['paid', 'good']);
  // Twice 291 for the payments, and 1500 for the dispute.
  const { '1010': held = 0n, '1030': bank = 0n, ...others } = await month.ledger();
  expect(others).toEqual({ '5010': 582n, '5040': 1_500n, '4010': -9_000n });
  expect(held + bank).toBe(6_918n);
  expect((await month.announced()).filter((type) => type.startsWith('dispute'))).toEqual([
    'dispute.opened',
    'dispute.lost',
  ]);
});

it('is given back in part, and then the rest', async () => {
  const account = await month.account('agent', { rails: ['card'] });
  await month.stores(account, 'pm_card_visa');
  await month.uses('agent', 5_000);
  await month.close();
  const { id } = await month.issued(account, 5_000n);
  await month.scene.round();
  await month.scene.refund(id, 1_200n);
  expect(await month.ledger()).toMatchObject({ '2040': -1_200n });
  await month.scene.days(1);
  expect(month.scene.standIn.books().refunds.map(({ amount, status }) => [amount, status])).toEqual([
    [1_200, 'succeeded'],
  ]);
  expect(await month.faults()).toEqual([]);
  await expect(month.scene.refund(id, 3_801n)).rejects.toMatchObject({ reason: 'not_refundable' });
  await month.scene.refund(id, 3_800n);
  await month.scene.days(4);
  expect(await month.state(account)).toBe('paid');
  const { '2040': owed = 0n, '4010': earned = 0n, '4020': _goodwill, ...others } = await month.ledger();
  expect([owed, earned]).toEqual([0n, -5_000n]);
  expect(others).toMatchObject({ '5010': 175n });
  expect(month.scene.standIn.books().sums.usd).toMatchObject({ charged: 5_000, refunded: 5_000, fees: 175 });
  expect((await month.announced()).filter((type) => type.startsWith('refund'))).toEqual(['refund.sent', 'refund.sent']);
});

it('is given back in part, then disputed and lost: what is left of it is owed again', async () => {
  const account = await month.account('agent', { rails: ['card'] });
  await month.stores(account, 'pm_card_visa');
  await month.uses('agent', 5_000);
  await month.close();
  const { id } = await month.issued(account, 5_000n);
  await month.scene.round();
  await month.scene.refund(id, 1_200n);
  await month.scene.days(1);
  const [charge] = month.scene.standIn.successesFor('statement', id);
  const dispute = month.scene.standIn.drive.openDispute(charge?.id ?? '');
  await month.scene.days(1);
  month.scene.standIn.drive.decideDispute(dispute.id, { won: false });
  await month.scene.days(2);
  expect([await month.state(account), await month.standing(account)]).toEqual(['overdue', 'prepaid_only']);
  expect(await month.ledger()).toEqual({
    ...{ '1100': 3_800n, '1010': -1_675n, '4010': -5_000n, '4090': 1_200n },
    ...{ '5010': 175n, '5040': 1_500n },
  });
});

it('is paid by a debit and returned while no worker is there: it is owed again all the same', async () => {
  const account = await month.account('agent', { rails: ['bank', 'card'] });
  await month.stores(account, 'pm_usBankAccount_success');
  await month.uses('agent', 5_000);
  await month.close();
  const { id } = await month.issued(account, 5_000n);
  await month.scene.round();
  await month.scene.pass(8 * DAY);
  const [charge] = month.scene.standIn.successesFor('statement', id);
  month.scene.standIn.drive.returnDebit(charge?.id ?? '', 'debit_not_authorized');
  await month.scene.pass(DAY / 24);
  // The return is heard of first.
  const [worker] = month.scene.workers;
  await worker?.account.balance.run();
  await worker?.account.disputes.sweep();
  expect(await month.attempts(account)).toEqual(['bank processing']);
  await month.scene.days(1);
  expect(await month.attempts(account)).toEqual(['bank reversed debit_not_authorized']);
  expect([await month.state(account), await month.standing(account)]).toEqual(['overdue', 'prepaid_only']);
  expect(await month.faults()).toEqual([]);
  await month.stores(account, 'pm_card_visa');
  await month.scene.days(4);
  expect(await month.state(account)).toBe('paid');
});

it('suspends the account that does not pay, and restores it with another card', async () => {
  const account = await month.account('agent', { rails: ['card'], pastDue: 'suspend' });
  const other = await month.account('other', { rails: ['card'] });
  await month.stores(account, 'pm_card_chargeCustomerFail');
  await month.stores(other, 'pm_card_visa');
  await month.uses('agent', 700);
  await month.uses('other', 800);
  await month.close();
  await month.issued(account, 700n);
  await month.issued(other, 800n);
  await month.scene.round();
  expect([await month.state(account), await month.standing(account)]).toEqual(['overdue', 'suspended']);
  expect(await month.calls(account, 1n)).toBe(false);
  // Nobody else is.
  expect([await month.state(other), await month.standing(other)]).toEqual(['paid', 'good']);
  expect(await month.calls(other, 1n)).toBe(true);

  await month.prefers(account, 'pm_card_visa');
  await month.scene.days(8);
  expect(await month.attempts(account)).toEqual(['card failed generic_decline', 'card succeeded']);
  expect([await month.state(account), await month.standing(account)]).toEqual(['paid', 'good']);
  expect(await month.calls(account, 1n)).toBe(true);
  expect(await month.announced()).toEqual(expect.arrayContaining(['account.suspended', 'account.restored']));
  expect(await month.ledger()).toEqual({ '1110': 2n, '1030': 1_397n, '5010': 103n, '4010': -1_502n });
});
