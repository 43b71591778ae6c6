import fc from 'fast-check';
import {
  addDecimals,
  allocate,
  amount,
  subtractAmounts,
  assetId,
  compareDecimals,
  decimal,
  erc20Asset,
  formatDecimal,
  fromAtomic,
  multiplyDecimals,
  parseAtomic,
  parseDecimal,
  roundDecimal,
  type Rounding,
  subtractDecimals,
  toAtomic,
  USD,
} from './index.js';

const read = (text: string) => {
  const value = parseDecimal(text);
  if (!value) throw new Error(`${text} does not read`);
  return value;
};
const decimals = fc
  .tuple(fc.bigInt(-(10n ** 40n), 10n ** 40n), fc.nat(20))
  .map(([units, scale]) => decimal(units, scale));

describe('decimals', () => {
  it('are written and read without loss', () => {
    fc.assert(fc.property(decimals, (value) => expect(read(formatDecimal(value))).toEqual(value)));
  });

  it('add and subtract exactly', () => {
    fc.assert(
      fc.property(decimals, decimals, (a, b) => {
        expect(addDecimals(a, b)).toEqual(addDecimals(b, a));
        expect(subtractDecimals(addDecimals(a, b), b)).toEqual(a);
      }),
    );
  });

  it('multiply over sums', () => {
    fc.assert(
      fc.property(decimals, decimals, decimals, (a, b, c) =>
        expect(multiplyDecimals(a, addDecimals(b, c))).toEqual(
          addDecimals(multiplyDecimals(a, b), multiplyDecimals(a, c)),
        ),
      ),
    );
  });

  it.each(['', ' 1', '1 ', '+1', '01', '1.', '.5', '1e3', '0x10', 'NaN', 'Infinity', '1,5', '--1'])(
    'refuse %j',
    (text) => {
      expect(parseDecimal(text)).toBeUndefined();
    },
  );

  it('multiply a usage and a rate as in the reference', () => {
    expect(formatDecimal(multiplyDecimals(read('1234567'), read('0.0000025')))).toBe('3.0864175');
  });
});

describe('rounding', () => {
  // billing reference, 3.1 and 5.2
  it.each<[string, number, Rounding, string]>([
    ['123.456', 2, 'half-up', '123.46'],
    ['123.456', 0, 'half-up', '123'],
    ['123.456', -2, 'half-up', '100'],
    ['123.456', 0, 'up', '124'],
    ['123.456', -2, 'up', '200'],
    ['123.456', 2, 'down', '123.45'],
    ['123.456', -2, 'down', '100'],
    ['0.5', 0, 'half-up', '1'],
    ['1.5', 0, 'half-up', '2'],
    ['2.5', 0, 'half-up', '3'],
    ['-0.5', 0, 'half-up', '-1'],
    ['0.5', 0, 'half-even', '0'],
    ['1.5', 0, 'half-even', '2'],
    ['2.5', 0, 'half-even', '2'],
  ])('%s to %i places, %s: %s', (text, places, rounding, expected) => {
    expect(formatDecimal(roundDecimal(read(text), places, rounding))).toBe(expected);
  });

  it('is never off by a whole unit, and up is never below down', () => {
    fc.assert(
      fc.property(decimals, fc.integer({ min: 0, max: 18 }), (value, places) => {
        const up = roundDecimal(value, places, 'up');
        const down = roundDecimal(value, places, 'down');
        const unit = decimal(1n, places);
        expect(compareDecimals(subtractDecimals(value, down), unit)).toBe(-1);
        expect([0, 1]).toContain(
          compareDecimals(
            { ...up, units: up.units < 0n ? -up.units : up.units },
            { ...down, units: down.units < 0n ? -down.units : down.units },
          ),
        );
      }),
    );
  });

  it('to atomic units and back keeps whole atomic units', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 30n), fc.nat(18), (units, places) =>
        expect(toAtomic(fromAtomic(units, places), places, 'half-up')).toBe(units),
      ),
    );
  });
});

describe('amounts', () => {
  it('of two assets never meet', () => {
    const usdc = erc20Asset(84532, '0x036CbD53842c5426634e7929541eC2318f3dCF7e');
    expect(() => subtractAmounts(amount(usdc, 1n), amount(USD.id, 1n))).toThrow('cannot be combined');
  });

  it.each(['', ' 12 ', '0x10', '01', '-1', '1e3', '1.0', '٣', (2n ** 256n).toString()])(
    'are not read from %j',
    (text) => {
      expect(parseAtomic(text)).toBeUndefined();
    },
  );

  it('are read up to uint256', () => {
    expect(parseAtomic((2n ** 256n - 1n).toString())).toBe(2n ** 256n - 1n);
  });

  it('name their asset by chain and contract, whatever the letter case', () => {
    expect(erc20Asset(1, '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48')).toBe(
      'eip155:1/erc20:0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48',
    );
    expect(() => assetId('eip155:1/erc20:0xA0b8')).toThrow('is not an asset id');
  });
});

describe('allocation', () => {
  it('hands left-over units to the largest remainders, ties by position', () => {
    expect(allocate(1000n, [1n, 1n, 1n])).toEqual([334n, 333n, 333n]);
  });

  it('loses and makes nothing, and no share is off by a unit', () => {
    const weights = fc
      .array(fc.bigInt(0n, 10n ** 12n), { minLength: 1, maxLength: 20 })
      .filter((all) => all.some((weight) => weight > 0n));
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 20n), weights, (total, all) => {
        const shares = allocate(total, all);
        const sum = all.reduce((a, b) => a + b, 0n);
        expect(shares.reduce((a, b) => a + b, 0n)).toBe(total);
        shares.forEach((share, i) => {
          const floor = (total * (all[i] ?? 0n)) / sum;
          expect(share === floor || share === floor + 1n).toBe(true);
        });
      }),
    );
  });
});
