import { amount, erc20Asset, USD } from '@core/money';
import type { Entry } from '../entry.js';
import { carryRemainder, collect, failDebit, returnCollected, startDebit, writeOffStatement } from './collections.js';
import { postMovement } from './stripe.js';

const USDC = erc20Asset(8453, '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913');
const usd = (atomic: bigint) => amount(USD.id, atomic);
const usdc = (atomic: bigint) => amount(USDC, atomic);

/** Balances by code and asset, debits positive, without those that are zero. */
function balances(...entries: Entry[]): Record<string, bigint> {
  const sums: Record<string, bigint> = {};
  const add = (place: string, atomic: bigint) => (sums[place] = (sums[place] ?? 0n) + atomic);
  for (const { debit, credit, amount: moved } of entries.flat()) {
    const asset = moved.asset === USDC ? ' usdc' : '';
    add(`${debit.code}${asset}`, moved.atomic);
    add(`${credit.code}${asset}`, -moved.atomic);
  }
  return Object.fromEntries(Object.entries(sums).filter(([, sum]) => sum !== 0n));
}

const of = { provider: 'prv_1', account: 'acct_1', attempt: 'att_1' };
const dollars = { ...of, covers: usd(4_210n), cents: usd(4_210n), over: usd(0n) };
const tokens = { ...of, covers: usdc(42_100_000n), cents: usd(4_210n), over: usdc(0n) };

describe('collecting a statement', () => {
  it('by card moves the gross amount from the receivable to what Stripe owes us', () => {
    expect(balances(collect({ ...dollars, from: 'invoiced' }))).toEqual({ '1015': 4_210n, '1100': -4_210n });
  });

  it('by bank debit is on its way first, and back when it fails', () => {
    expect(balances(startDebit(dollars))).toEqual({ '1120': 4_210n, '1100': -4_210n });
    expect(balances(startDebit(dollars), collect({ ...dollars, from: 'processing' }))).toEqual({
      '1015': 4_210n,
      '1100': -4_210n,
    });
    expect(balances(startDebit(dollars), failDebit(dollars))).toEqual({});
  });

  it('of a statement in a token is exchanged at par, each book balanced in itself', () => {
    expect(balances(collect({ ...tokens, from: 'invoiced' }))).toEqual({
      '1015': 4_210n,
      '5060': -4_210n,
      '5060 usdc': 42_100_000n,
      '1100 usdc': -42_100_000n,
    });
    expect(balances(carryRemainder({ ...of, rest: usdc(9_999n) }))).toEqual({
      '1110 usdc': 9_999n,
      '1100 usdc': -9_999n,
    });
  });

  it('that nobody needed any more is owed to the account', () => {
    expect(balances(collect({ ...dollars, from: 'invoiced', over: usd(210n) }))).toEqual({
      '1015': 4_210n,
      '1100': -4_000n,
      '2020': -210n,
    });
  });

  it('is undone to the unit when a bank takes it back, once for each time', () => {
    for (const collected of [dollars, tokens, { ...tokens, over: usdc(100n) }]) {
      const back = returnCollected({ ...collected, fact: 'du_1' });
      const withdrawn = postMovement({
        ...{ provider: 'prv_1', account: 'acct_1', movement: 'txn_1', category: 'dispute' },
        ...{ amount: usd(-4_210n), fee: usd(0n) },
      });
      expect(balances(collect({ ...collected, from: 'invoiced' }), back, withdrawn ?? [])).toEqual({});
      expect(back.map(({ key }) => key)).not.toEqual(
        returnCollected({ ...collected, fact: 'du_2' }).map(({ key }) => key),
      );
    }
  });

  it('that is given up is a loss', () => {
    const given = { provider: 'prv_1', account: 'acct_1', statement: 'stm_1', version: 3, open: usd(4_210n) };
    expect(balances(writeOffStatement(given))).toEqual({ '5030': 4_210n, '1100': -4_210n });
    expect(writeOffStatement(given).map(({ key }) => key)).toEqual(['write-off:stm_1:3:loss']);
  });
});
