import fc from 'fast-check';
import { USD } from '@core/money';
import { instant } from '@core/time';
import { readTerms } from './price-model.js';
import { type PriceVersion, priceInForce, pricedParts } from './price-version.js';

const version = (rate: string, effectiveAt: number, id: string): PriceVersion => {
  const terms = readTerms('per_unit', { rate });
  if ('problem' in terms) throw new Error(terms.problem);
  return { id, meter: 'mtr_1', terms, asset: USD.id, assetDecimals: USD.decimals, effectiveAt: instant(effectiveAt) };
};

describe('price versions', () => {
  const versions = [version('2', 20, 'prc_2'), version('1', 10, 'prc_1'), version('3', 30, 'prc_3')];

  it('are in force from their instant until the next', () => {
    expect([9, 10, 19, 20, 30, 99].map((ms) => priceInForce(versions, instant(ms))?.id)).toEqual([
      undefined,
      'prc_1',
      'prc_1',
      'prc_2',
      'prc_3',
      'prc_3',
    ]);
  });

  it('cut a period where they take over', () => {
    const parts = pricedParts({ start: instant(5), end: instant(30) }, versions);
    expect(parts.map(({ period, price }) => [period.start, period.end, price.id])).toEqual([
      [10, 20, 'prc_1'],
      [20, 30, 'prc_2'],
    ]);
    expect(pricedParts({ start: instant(12), end: instant(15) }, versions)).toHaveLength(1);
    expect(pricedParts({ start: instant(0), end: instant(10) }, versions)).toEqual([]);
  });

  it('give every instant of a period the price in force there, once', () => {
    const times = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 6 });
    fc.assert(
      fc.property(times, fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }), (effective, a, b) => {
        const some = effective.map((ms, i) => version('1', ms, `prc_${i}`));
        const period = { start: instant(Math.min(a, b)), end: instant(Math.max(a, b)) };
        const parts = pricedParts(period, some);
        for (let ms = period.start as number; ms < period.end; ms += 1) {
          const holding = parts
            .filter((part) => part.period.start <= ms && ms < part.period.end)
            .map(({ price }) => price.id);
          const inForce = priceInForce(some, instant(ms));
          expect(holding).toEqual(inForce ? [inForce.id] : []);
        }
      }),
    );
  });
});
