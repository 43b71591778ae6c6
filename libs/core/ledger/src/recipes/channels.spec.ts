import fc from 'fast-check';
import { amount, erc20Asset } from '@core/money';
import { captureByVoucher, type Entry, loseClaim, recoverClaim, settleClaim } from '../index.js';

const usdc = erc20Asset(84532, '0x036CbD53842c5426634e7929541eC2318f3dCF7e');
const at = { provider: 'prv_1', account: 'acct_1', channel: 'chn_1', payTo: '0xp' };

/** Debits less credits of each place that is not even. */
function balances(...entries: Entry[]): Record<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { debit, credit, amount: moved } of entries.flat()) {
    for (const [place, units] of [
      [debit, moved.atomic],
      [credit, -moved.atomic],
    ] as const) {
      const name = [place.code, place.account, place.detail].filter(Boolean).join('/');
      sums.set(name, (sums.get(name) ?? 0n) + units);
    }
  }
  return Object.fromEntries([...sums].filter(([, units]) => units !== 0n));
}

const served = (payment: string, units: bigint) =>
  captureByVoucher({ ...at, payment, meter: 'calls', charged: amount(usdc, units) });

describe('payment by vouchers', () => {
  it('charges go through the account, which owes nothing, and stand as vouchers until they are claimed', () => {
    const calls = [served('vch_1', 400n), served('vch_2', 350n)];
    expect(balances(...calls)).toEqual({ '4010/calls': -750n, '1026': 750n });
    const claimed = settleClaim({ ...at, total: 750n, amount: amount(usdc, 750n) });
    expect(balances(...calls, claimed)).toEqual({ '4010/calls': -750n, '1020/0xp': 750n });
  });

  it('a call that cost nothing posts nothing', () => {
    expect(served('vch_1', 0n)).toEqual([]);
  });

  it('what a channel no longer holds is a loss of the account, taken back when it comes after all', () => {
    const calls = [served('vch_1', 400n)];
    const part = settleClaim({ ...at, total: 300n, amount: amount(usdc, 300n) });
    const lost = loseClaim({ ...at, total: 400n, amount: amount(usdc, 100n) });
    expect(balances(...calls, part, lost)).toEqual({ '4010/calls': -400n, '1020/0xp': 300n, '5030': 100n });
    const back = recoverClaim({ ...at, total: 400n, amount: amount(usdc, 100n) });
    expect(balances(...calls, part, lost, back)).toEqual({ '4010/calls': -400n, '1020/0xp': 400n });
  });

  it('any steps of claims up to what was charged leave nothing in vouchers, and no two post under one key', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt(1n, 10n ** 12n), { minLength: 1, maxLength: 8 }), (steps) => {
        const calls = steps.map((units, i) => served(`vch_${i}`, units));
        let total = 0n;
        const claims = steps.map((units) => {
          total += units;
          return settleClaim({ ...at, total, amount: amount(usdc, units) });
        });
        expect(balances(...calls, ...claims)).toEqual({ '4010/calls': -total, '1020/0xp': total });
        const keys = [...calls, ...claims].flat().map(({ key }) => key);
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });
});
