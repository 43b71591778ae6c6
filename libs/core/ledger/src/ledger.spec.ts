import fc from 'fast-check';
import { amount, erc20Asset, USD } from '@core/money';
import {
  accrueUsage,
  capturePayment,
  entry,
  failPayment,
  gasCost,
  recoverPayment,
  reverse,
  settlePayment,
  type Entry,
  type Place,
} from './index.js';

const usdc = erc20Asset(84532, '0x036CbD53842c5426634e7929541eC2318f3dCF7e');
const atomic = fc.bigInt(1n, 10n ** 18n);
const paid = (units: bigint) => ({
  provider: 'prv_1',
  account: 'acct_1',
  payment: 'pay_1',
  charged: amount(usdc, units),
});
const name = (place: Place): string => [place.code, place.account ?? '', place.detail ?? ''].join('/');

/** Balances of places after entries: debits less credits. */
function balances(...entries: Entry[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  const add = (place: Place, units: bigint) => sums.set(name(place), (sums.get(name(place)) ?? 0n) + units);
  for (const transfer of entries.flat()) {
    add(transfer.debit, transfer.amount.atomic);
    add(transfer.credit, -transfer.amount.atomic);
  }
  return new Map([...sums].filter(([, units]) => units !== 0n));
}

describe('entries', () => {
  it('cannot be built unbalanced, negative, across assets or onto themselves', () => {
    const event = { provider: 'prv_1', name: 'x', reference: 'x', reason: 'x' };
    const a: Place = { code: '1025', asset: usdc };
    const b: Place = { code: '4010', asset: usdc, detail: 'calls' };
    expect(() => entry(event, [{ leg: 'l', debit: a, credit: b, amount: amount(usdc, -1n) }])).toThrow('negative');
    expect(() => entry(event, [{ leg: 'l', debit: a, credit: b, amount: amount(USD.id, 1n) }])).toThrow(
      'another asset',
    );
    expect(() => entry(event, [{ leg: 'l', debit: a, credit: { ...a }, amount: amount(usdc, 1n) }])).toThrow(
      'one place',
    );
    expect(entry(event, [{ leg: 'l', debit: a, credit: b, amount: amount(usdc, 0n) }])).toEqual([]);
  });

  it('sum to zero, whatever the sequence of recipes', () => {
    fc.assert(
      fc.property(atomic, fc.boolean(), fc.boolean(), (units, fails, recovers) => {
        const end = fails
          ? [failPayment(paid(units)), ...(recovers ? [recoverPayment({ ...paid(units), payTo: '0xp' })] : [])]
          : [settlePayment({ ...paid(units), payTo: '0xp' })];
        const total = [...balances(capturePayment({ ...paid(units), meter: 'calls' }), ...end).values()].reduce(
          (a, b) => a + b,
          0n,
        );
        expect(total).toBe(0n);
      }),
    );
  });

  it('undo each other with reverse', () => {
    fc.assert(
      fc.property(atomic, (units) => {
        const original = capturePayment({ ...paid(units), meter: 'calls' });
        expect(balances(original, reverse(original))).toEqual(new Map());
        expect(reverse(original).map(({ key }) => key)).not.toEqual(original.map(({ key }) => key));
      }),
    );
  });
});

describe('recipes', () => {
  it('a paid request: earned, paid, in transit; the account owes nothing', () => {
    expect(balances(capturePayment({ ...paid(4000n), meter: 'calls' }))).toEqual(
      new Map([
        ['4010//calls', -4000n],
        ['1025//', 4000n],
      ]),
    );
  });

  it('settled: in the wallet, nothing in transit', () => {
    const after = balances(
      capturePayment({ ...paid(4000n), meter: 'calls' }),
      settlePayment({ ...paid(4000n), payTo: '0xp' }),
    );
    expect(after).toEqual(
      new Map([
        ['4010//calls', -4000n],
        ['1020//0xp', 4000n],
      ]),
    );
  });

  it('failed: nothing in transit, written off; recovered: the loss is gone', () => {
    const failed = [capturePayment({ ...paid(4000n), meter: 'calls' }), failPayment(paid(4000n))];
    expect(balances(...failed)).toEqual(
      new Map([
        ['4010//calls', -4000n],
        ['5030//', 4000n],
      ]),
    );
    expect(balances(...failed, recoverPayment({ ...paid(4000n), payTo: '0xp' }))).toEqual(
      new Map([
        ['4010//calls', -4000n],
        ['1020//0xp', 4000n],
      ]),
    );
  });

  it('a charge is set, not added: any sequence of totals ends at the last one', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt(0n, 10n ** 12n), { minLength: 1, maxLength: 12 }), (totals) => {
        const entries = totals.map((total, i) =>
          accrueUsage({
            provider: 'prv_1',
            account: 'acct_1',
            charge: 'chg_1',
            revision: i + 1,
            meter: 'calls',
            before: amount(usdc, totals[i - 1] ?? 0n),
            after: amount(usdc, total),
          }),
        );
        expect(balances(...entries).get('1110/acct_1/') ?? 0n).toBe(totals.at(-1));
        const keys = entries.flat().map(({ key }) => key);
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });

  it('gas is an expense paid by a relayer key', () => {
    const [transfer] = gasCost({ provider: 'prv_1', transaction: 'x', relayer: '0xr', share: amount(usdc, 7n) });
    expect(transfer).toMatchObject({ debit: { code: '5020' }, credit: { code: '1021', detail: '0xr' } });
  });
});
