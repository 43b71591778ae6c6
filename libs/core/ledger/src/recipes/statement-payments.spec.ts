import { amount, assetId, USD } from '@core/money';
import type { Entry } from '../entry.js';
import { settlePayment } from './payments.js';
import { applyStatementPayment, captureStatementPayment } from './statement-payments.js';
import { failUnapplied } from './unapplied.js';

const TOKEN = assetId('eip155:84532/erc20:0x036cbd53842c5426634e7929541ec2318f3dcf7e');
const paid = { provider: 'prv_1', account: 'acct_1', payment: 'pay_1', charged: amount(TOKEN, 910_000n) };
const of = { provider: 'prv_1', account: 'acct_1', statementPayment: 'spm_1' };

/** Debits positive, without zeros. */
function balances(...entries: readonly Entry[]): Record<string, bigint> {
  const sums: Record<string, bigint> = {};
  for (const { debit, credit, amount: moved } of entries.flat()) {
    for (const [{ code, asset }, sign] of [
      [debit, 1n],
      [credit, -1n],
    ] as const) {
      const key = `${code} ${asset === TOKEN ? 'usdc' : 'usd'}`;
      sums[key] = (sums[key] ?? 0n) + sign * moved.atomic;
    }
  }
  return Object.fromEntries(Object.entries(sums).filter(([, sum]) => sum !== 0n));
}

describe('a statement that is paid in a token', () => {
  const captured = captureStatementPayment(paid);

  it('is received and unapplied while its payment is on its way', () => {
    expect(balances(captured)).toEqual({ '1025 usdc': 910_000n, '2020 usdc': -910_000n });
  });

  it('leaves nothing behind when the payment never happened', () => {
    expect(balances(captured, failUnapplied(paid))).toEqual({});
  });

  it('takes of the payment what it had open; the rest stays unapplied', () => {
    const settled = settlePayment({ ...paid, payTo: '0x1' });
    const applied = applyStatementPayment({ ...of, taken: amount(TOKEN, 900_000n), covers: amount(TOKEN, 900_000n) });
    expect(balances(captured, settled, applied)).toEqual({
      '1020 usdc': 910_000n,
      '2020 usdc': -10_000n,
      '1100 usdc': -900_000n,
    });
  });

  it('in a currency is two balanced movements at par', () => {
    const applied = applyStatementPayment({ ...of, taken: amount(TOKEN, 910_000n), covers: amount(USD.id, 91n) });
    expect(applied.map(({ key }) => key)).toEqual(['apply:spm_1:applied', 'apply:spm_1:applied-exchanged']);
    expect(balances(captured, applied)).toEqual({
      '1025 usdc': 910_000n,
      '5060 usdc': -910_000n,
      '5060 usd': 91n,
      '1100 usd': -91n,
    });
  });
});
