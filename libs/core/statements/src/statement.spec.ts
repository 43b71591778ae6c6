import fc from 'fast-check';
import { accrueUsage, capturePayment, failPayment, spendGrants, reverse, settlePayment } from '@core/ledger';
import { USD, ZERO, amount } from '@core/money';
import { instant } from '@core/time';
import { postingKind } from './posting-kind.js';
import { type StatementLines, buildStatement } from './statement.js';

const at = instant(0);
const metered = (charge: string, atomic: bigint) => ({
  kind: 'metered' as const,
  charge,
  service: { start: at, end: instant(1) },
  quantity: ZERO,
  atomic,
});
const payment = (atomic: bigint) => ({
  payment: 'pay_1',
  rail: 'usdc' as const,
  calls: 1,
  returned: atomic < 0n,
  atomic,
  at,
  state: 'served',
  resource: '',
  network: '',
  payer: '',
  payTo: '',
});
const adjustment = (atomic: bigint) => ({ postingKey: 'x', reason: '', reference: '', atomic, at });

const amounts = fc.array(fc.bigInt(-(10n ** 30n), 10n ** 30n), { maxLength: 8 });
const someLines = fc
  .tuple(fc.bigInt(), amounts, amounts, amounts)
  .map(([opening, charges, payments, adjustments]): StatementLines => ({
    asset: USD.id,
    opening,
    charges: charges.map((atomic, i) => metered(`chg_${i}`, atomic)),
    payments: payments.map(payment),
    adjustments: adjustments.map(adjustment),
  }));
/** What the ledger would say: every movement after the opening, one after another. */
const balanceAfter = (lines: StatementLines): bigint => {
  let balance = lines.opening;
  for (const { atomic } of lines.charges) balance += atomic;
  for (const { atomic } of lines.payments) balance -= atomic;
  for (const { atomic } of lines.adjustments) balance += atomic;
  return balance;
};

describe('opening + charges − payments + adjustments = closing = the ledger', () => {
  it('holds for every statement that can be built', () => {
    fc.assert(
      fc.property(someLines, (lines) => {
        const ledger = balanceAfter(lines);
        const { totals } = buildStatement(lines, ledger);
        expect(totals.opening + totals.charges - totals.payments + totals.adjustments).toBe(totals.closing);
        expect(totals.closing).toBe(ledger);
      }),
    );
  });

  it('refuses a statement that is off by anything', () => {
    fc.assert(
      fc.property(
        someLines,
        fc.bigInt().filter((off) => off !== 0n),
        (lines, off) => {
          expect(() => buildStatement(lines, balanceAfter(lines) + off)).toThrow(/the ledger at/);
        },
      ),
    );
  });

  it('refuses a charge twice', () => {
    const lines: StatementLines = {
      asset: USD.id,
      opening: 0n,
      charges: [metered('chg_1', 1n), metered('chg_1', 1n)],
      payments: [],
      adjustments: [],
    };
    expect(() => buildStatement(lines, 2n)).toThrow(/twice/);
  });
});

describe('posting keys', () => {
  const paid = {
    provider: 'prv_1',
    account: 'acct_1',
    payment: 'pay_1',
    charged: amount(USD.id, 5n),
    meter: 'mtr_1',
    payTo: '0x0',
  };

  it('of every recipe that moves a receivable say what the movement is', () => {
    const accrual = accrueUsage({
      provider: 'prv_1',
      account: 'acct_1',
      charge: 'chg_1',
      revision: 3,
      meter: 'mtr_1',
      before: amount(USD.id, 1n),
      after: amount(USD.id, 5n),
    });
    const receivable = [...accrual, ...capturePayment(paid), ...settlePayment(paid), ...failPayment(paid)].filter(
      ({ debit, credit }) => debit.code === '1110' || credit.code === '1110',
    );
    expect(receivable.map(({ key }) => postingKind(key))).toEqual([
      { kind: 'metered', charge: 'chg_1', revision: 3 },
      { kind: 'paid', payment: 'pay_1' },
      { kind: 'payment', payment: 'pay_1', returned: false },
      { kind: 'payment', payment: 'pay_1', returned: true },
      { kind: 'adjustment' },
    ]);
  });

  it('of a request paid from grants name the grants', () => {
    const of = (grant: string, isPaid: boolean, atomic: bigint) => ({ grant, isPaid, amount: amount(USD.id, atomic) });
    const spent = spendGrants({
      provider: 'prv_1',
      account: 'acct_1',
      hold: 'hld_1',
      meter: 'mtr_1',
      charged: amount(USD.id, 5n),
      shares: [of('grt_1', true, 2n), of('grt_2', false, 3n)],
    }).filter(({ debit, credit }) => debit.code === '1110' || credit.code === '1110');
    expect(spent.map(({ key }) => postingKind(key))).toEqual([
      { kind: 'paid', payment: 'hld_1' },
      { kind: 'spent', payment: 'hld_1', grant: 'grt_1' },
      { kind: 'spent', payment: 'hld_1', grant: 'grt_2' },
    ]);
  });

  it('of anything else are adjustments', () => {
    for (const { key } of reverse(capturePayment(paid))) expect(postingKind(key)).toEqual({ kind: 'adjustment' });
    expect(postingKind('accrue:chg_1:usage')).toEqual({ kind: 'adjustment' });
  });
});
