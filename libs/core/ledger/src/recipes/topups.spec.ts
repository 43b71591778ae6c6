import { amount, assetId } from '@core/money';
import type { Entry } from '../entry.js';
import { settlePayment } from './payments.js';
import { cancelRefund, captureTopUp, issueGrant, loseTopUp, refundGrant, settleRefund, voidGrant } from './wallet.js';
import { failUnapplied } from './unapplied.js';

const ASSET = assetId('eip155:84532/erc20:0x036cbd53842c5426634e7929541ec2318f3dcf7e');
const of = (atomic: bigint) => amount(ASSET, atomic);
const paid = { provider: 'prv_1', account: 'acct_1', payment: 'pay_1', charged: of(100n) };
const grant = { provider: 'prv_1', account: 'acct_1', grant: 'grt_1', isPaid: true };

/** Balances by code, debits positive, without those that are zero. */
function balances(...entries: Entry[]): Record<string, bigint> {
  const sums: Record<string, bigint> = {};
  for (const { debit, credit, amount: moved } of entries.flat()) {
    sums[debit.code] = (sums[debit.code] ?? 0n) + moved.atomic;
    sums[credit.code] = (sums[credit.code] ?? 0n) - moved.atomic;
  }
  return Object.fromEntries(Object.entries(sums).filter(([, sum]) => sum !== 0n));
}

const captured = captureTopUp(paid);
const issued = issueGrant({ ...grant, value: of(100n), cost: of(100n) });

describe('balance that is bought', () => {
  it('is in transit, then owed to the account, and never revenue', () => {
    expect(balances(captured)).toEqual({ '1025': 100n, '2020': -100n });
    const final = settlePayment({ ...paid, payTo: '0xpayee' });
    expect(balances(captured, final, issued)).toEqual({ '1020': 100n, '2010': -100n });
  });

  it('leaves nothing when its payment failed before it was given', () => {
    expect(balances(captured, failUnapplied(paid))).toEqual({});
  });

  it('given before, loses what was used, and takes it from the loss again when that is taken back', () => {
    const failed = failUnapplied(paid);
    const rest = voidGrant({ ...grant, value: of(70n), cash: of(70n), total: 70n });
    const lost = { provider: 'prv_1', account: 'acct_1', topUp: 'top_1' };
    const loss = loseTopUp({ ...lost, step: 1, change: of(30n) });
    // The rest of 2010 is what was used: its charge takes it.
    expect(balances(captured, issued, failed, rest, loss)).toEqual({ '2010': -30n, '5030': 30n });
    const back = loseTopUp({ ...lost, step: 2, change: of(-10n) });
    expect(balances(loss, back)).toEqual({ '2020': -20n, '5030': 20n });
    expect(new Set([...loss, ...back].map(({ key }) => key)).size).toBe(2);
  });

  it('goes back out of the wallet that has it, or is owed no longer', () => {
    const owed = refundGrant({ ...grant, refund: 'rfd_1', value: of(40n), cash: of(40n) });
    const sent = settleRefund({ ...paid, payment: 'pay_2', charged: of(40n), payer: '0xpayee' });
    expect(sent.map(({ credit }) => credit.detail)).toEqual(['0xpayee']);
    expect(balances(owed, sent)).toEqual({ '2010': 40n, '1020': -40n });
    const cancelled = cancelRefund({ provider: 'prv_1', account: 'acct_1', refund: 'rfd_1', cash: of(40n) });
    expect(balances(owed, cancelled)).toEqual({ '2010': 40n, '2020': -40n });
  });
});
