import fc from 'fast-check';
import { amount, assetId, erc20Asset, USD } from '@core/money';
import { atPar, coveredBy } from './index.js';

const USDC = erc20Asset(8453, '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913');
const sum = fc.bigInt({ min: 0n, max: 10n ** 12n });

describe('a statement and the token that pays it', () => {
  it('meet at par: a cent is ten thousand units', () => {
    expect(atPar(amount(USD.id, 123n), USDC)).toEqual(amount(USDC, 1_230_000n));
    expect(atPar(amount(USDC, 1_239_999n), USD.id)).toEqual(amount(USD.id, 123n));
    expect(atPar(amount(USDC, 7n), USDC)).toEqual(amount(USDC, 7n));
    expect(() => atPar(amount(USD.id, 1n), assetId('iso4217:JPY'))).toThrow('cannot be collected');
  });

  it('agree on what a payment pays: no more than is open, no more than was paid, and worth the same on both sides', () => {
    fc.assert(
      fc.property(sum, sum, fc.constantFrom(USD.id, USDC), (received, open, asset) => {
        const { taken, covers } = coveredBy(amount(USDC, received), amount(asset, open));
        expect([taken.asset, covers.asset]).toEqual([USDC, asset]);
        expect(taken.atomic).toBeLessThanOrEqual(received);
        expect(covers.atomic).toBeLessThanOrEqual(open);
        expect(atPar(covers, USDC)).toEqual(taken);
        // What is left of the payment would pay nothing more.
        const left = atPar(amount(USDC, received - taken.atomic), asset).atomic;
        expect(left === 0n || covers.atomic === open).toBe(true);
      }),
    );
  });
});
