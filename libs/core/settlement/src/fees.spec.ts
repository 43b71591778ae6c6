import fc from 'fast-check';
import { type Fees, firstFees, replacementFees } from './fees.js';

const fee = fc.bigInt(0n, 10n ** 13n);
const market = fc.record({ baseFee: fee, priorityFee: fc.bigInt(1n, 10n ** 12n) });
const cap = fc.bigInt(1n, 10n ** 14n);
const previous: fc.Arbitrary<Fees> = fc
  .tuple(fc.bigInt(1n, 10n ** 12n), fee)
  .map(([tip, more]) => ({ maxPriorityFeePerGas: tip, maxFeePerGas: tip + more }));

describe('fees', () => {
  it('of a first attempt cover the market, leave room for a dearer block and keep to the cap', () => {
    fc.assert(
      fc.property(market, cap, (now, most) => {
        const fees = firstFees(now, most);
        const needed = now.baseFee + now.priorityFee;
        if (!fees) return expect(needed).toBeGreaterThan(most);
        expect(fees.maxFeePerGas).toBeGreaterThanOrEqual(needed);
        expect(fees.maxFeePerGas).toBeLessThanOrEqual(most);
        expect(fees.maxPriorityFeePerGas).toBeLessThanOrEqual(fees.maxFeePerGas);
      }),
    );
  });

  it('of a replacement rise by twelve per cent at least, both of them, or there is none', () => {
    fc.assert(
      fc.property(previous, market, cap, (last, now, most) => {
        const fees = replacementFees(last, now, most);
        if (!fees) return;
        expect(fees.maxFeePerGas * 100n).toBeGreaterThanOrEqual(last.maxFeePerGas * 112n);
        expect(fees.maxPriorityFeePerGas * 100n).toBeGreaterThanOrEqual(last.maxPriorityFeePerGas * 112n);
        expect(fees.maxPriorityFeePerGas).toBeLessThanOrEqual(fees.maxFeePerGas);
        expect(fees.maxFeePerGas).toBeLessThanOrEqual(most);
      }),
    );
  });

  it('of a replacement are never refused by a cap that has room for twelve per cent and for the market', () => {
    fc.assert(
      fc.property(previous, market, (last, now) => {
        const room = 2n * last.maxFeePerGas + 2n * now.baseFee + now.priorityFee + 2n;
        expect(replacementFees(last, now, room)).toBeDefined();
      }),
    );
  });
});
