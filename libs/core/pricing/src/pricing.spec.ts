import fc from 'fast-check';
import {
  type Decimal,
  addDecimals,
  compareDecimals,
  decimal,
  erc20Asset,
  formatDecimal,
  multiplyDecimals,
  subtractDecimals,
} from '@core/money';
import { instant } from '@core/time';
import { type PriceTerms, readTerms } from './price-model.js';
import { type PriceVersion, priceInForce, pricedParts, quote, rate } from './price-version.js';

const usdc = erc20Asset(84532, '0x036CbD53842c5426634e7929541eC2318f3dCF7e');

function terms(definition: unknown, model = 'per_unit'): PriceTerms {
  const read = readTerms(model, definition);
  if ('problem' in read) throw new Error(read.problem);
  return read;
}
const version = (rateText: string, effectiveAt = 0, id = 'prc_1'): PriceVersion => ({
  id,
  meter: 'mtr_1',
  terms: terms({ rate: rateText }),
  asset: usdc,
  assetDecimals: 6,
  effectiveAt: instant(effectiveAt),
});
const cost = (rateText: string, quantity: Decimal) => rate(version(rateText), quantity, 'half-up').atomic;
const exactRate = (price: PriceVersion): Decimal => price.terms.cost(decimal(1n));

describe('the per_unit model', () => {
  it('reads a rate of at most 18 places and says what is wrong with others', () => {
    expect(terms({ rate: '0.0040' }).definition).toEqual({ rate: '0.004' });
    expect(terms({ rate: '0.000000000000000001' }).definition.rate).toBe('0.000000000000000001');
    for (const bad of ['0.0000000000000000001', '-1', '1e-3', '', 1, null])
      expect(readTerms('per_unit', { rate: bad })).toHaveProperty('problem');
    expect(readTerms('per_unit', { rate: '1', free: '5' })).toEqual({ problem: expect.stringContaining('"free"') });
    expect(readTerms('graduated', {})).toEqual({ problem: expect.stringContaining('per_unit') });
  });

  it('costs the worked example: 1,234,567 calls at 0.0000025', () => {
    expect(formatDecimal(terms({ rate: '0.0000025' }).cost(decimal(1_234_567n)))).toBe('3.0864175');
    expect(cost('0.0000025', decimal(1_234_567n))).toBe(3_086_418n);
  });
});

describe('rating', () => {
  it('rounds once, half away from zero', () => {
    expect(cost('0.0000005', decimal(1n))).toBe(1n);
    expect(cost('0.0000004', decimal(1n))).toBe(0n);
    expect(cost('0.0000004', decimal(10n))).toBe(4n);
  });

  const rates = fc.bigInt(0n, 10n ** 12n).map((units) => formatDecimal(decimal(units, 15)));
  const quantities = fc
    .tuple(fc.bigInt(0n, 10n ** 18n), fc.integer({ min: 0, max: 12 }))
    .map(([units, scale]) => decimal(units, scale));

  it('is never more than half an atomic unit from the exact cost', () => {
    fc.assert(
      fc.property(rates, quantities, (rateText, quantity) => {
        const price = version(rateText);
        const exact = multiplyDecimals(multiplyDecimals(quantity, exactRate(price)), decimal(10n ** 6n));
        const off = subtractDecimals(decimal(rate(price, quantity, 'half-up').atomic), exact);
        expect(compareDecimals(multiplyDecimals(off, off), decimal(25n, 2))).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('never falls when the quantity rises', () => {
    fc.assert(
      fc.property(rates, quantities, quantities, (rateText, quantity, more) => {
        expect(cost(rateText, addDecimals(quantity, more)) >= cost(rateText, quantity)).toBe(true);
      }),
    );
  });

  it('quotes what is rated or at most one unit more, and never nothing for something', () => {
    fc.assert(
      fc.property(rates, quantities, (rateText, quantity) => {
        const price = version(rateText);
        const quoted = quote(price, quantity).atomic;
        const rated = rate(price, quantity, 'half-up').atomic;
        expect(quoted === rated || quoted === rated + 1n).toBe(true);
        expect(quoted === 0n).toBe(price.terms.cost(quantity).units === 0n);
      }),
    );
    expect(quote(version('0.000000001'), decimal(1n)).atomic).toBe(1n);
  });
});

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
