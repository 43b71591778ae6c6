import fc from 'fast-check';
import { amount, erc20Asset, USD } from '@core/money';
import {
  accrueUsage,
  capturePayment,
  entry,
  failPayment,
  expireGrant,
  gasCost,
  issueGrant,
  refundGrant,
  renewGrant,
  restoreGrants,
  spendGrants,
  voidGrant,
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

describe('recipes of prepaid value', () => {
  const bought = { provider: 'prv_1', account: 'acct_1', grant: 'grt_1', isPaid: true };
  const given = { ...bought, grant: 'grt_2', isPaid: false };
  const usd = (units: bigint) => amount(usdc, units);
  const issued = [
    issueGrant({ ...bought, value: usd(110n), cost: usd(100n) }),
    issueGrant({ ...given, value: usd(20n), cost: usd(0n) }),
  ];
  const use = {
    provider: 'prv_1',
    account: 'acct_1',
    hold: 'hld_1',
    meter: 'calls',
    charged: usd(36n),
    shares: [
      { grant: 'grt_2', isPaid: false, amount: usd(6n) },
      { grant: 'grt_1', isPaid: true, amount: usd(30n) },
    ],
  };

  it('paid value is a debt, a discount on it a cost, a gift a memo', () => {
    expect(balances(...issued)).toEqual(
      new Map([
        ['2020/acct_1/', 100n],
        ['2010/acct_1/grt_1', -110n],
        ['4090//', 10n],
        ['9010/acct_1/grt_2', 20n],
        ['9015/acct_1/grt_2', -20n],
      ]),
    );
  });

  it('its use is earned and paid in one, and what no grant paid stays owed', () => {
    expect(balances(spendGrants(use))).toEqual(
      new Map([
        ['4010//calls', -36n],
        ['4090//', 6n],
        ['9015/acct_1/grt_2', 6n],
        ['9010/acct_1/grt_2', -6n],
        ['2010/acct_1/grt_1', 30n],
      ]),
    );
    expect(balances(spendGrants({ ...use, charged: usd(40n) })).get('1110/acct_1/')).toBe(4n);
  });

  it('a charge taken back leaves nothing of it', () => {
    const { charged, ...rest } = use;
    expect(balances(spendGrants(use), restoreGrants({ ...rest, amount: charged, total: 36n }))).toEqual(new Map());
  });

  it('what ends a grant leaves nothing of it: breakage, a receipt again, money owed', () => {
    const left = (entry: Entry) => [...balances(...issued, entry)].filter(([place]) => place.includes('grt_1'));
    const end = { ...bought, value: usd(110n), total: 110n };
    expect(left(expireGrant(end))).toEqual([]);
    expect(left(voidGrant({ ...end, cash: usd(100n) }))).toEqual([]);
    expect(balances(...issued, refundGrant({ ...end, refund: 'rfd_1', cash: usd(100n) })).get('2040/acct_1/')).toBe(
      -100n,
    );
    expect(balances(...issued, voidGrant({ ...end, cash: usd(100n) })).get('4090//')).toBeUndefined();
  });

  it('a gift that is renewed is filled up, cut, and pays for what was used beyond it', () => {
    const renewed = { ...given, renewal: '2026-12-01', added: usd(0n), dropped: usd(5n), paid: usd(3n) };
    expect(balances(issued[1] ?? [], renewGrant(renewed))).toEqual(
      new Map([
        ['9010/acct_1/grt_2', 12n],
        ['9015/acct_1/grt_2', -12n],
        ['4090//', 3n],
        ['1110/acct_1/', -3n],
      ]),
    );
  });
});
