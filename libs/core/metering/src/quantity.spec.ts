import fc from 'fast-check';
import { compareDecimals, decimal, formatDecimal, multiplyDecimals, subtractDecimals } from '@core/money';
import { type Period, instant } from '@core/time';
import { latestOf } from './latest.js';
import { exact, exampleMeter } from './meter.examples.js';
import type { Aggregation, Meter } from './meter.js';
import { type Point, comparePoints } from './points.js';
import { type QuantityParts, measuredQuantity, quantityOf } from './quantity.js';

const quantity = (aggregation: Aggregation, parts: QuantityParts, rules: Partial<Meter> = {}) => {
  const measured = measuredQuantity(exampleMeter(aggregation, rules), parts);
  return measured && formatDecimal(measured);
};

describe('the quantity of a range', () => {
  it.each([
    ['nearest', 2, '123.46'],
    ['nearest', 0, '123'],
    ['nearest', -2, '100'],
    ['up', 0, '124'],
    ['up', -2, '200'],
    ['down', 2, '123.45'],
    ['down', -2, '100'],
  ] as const)('of 123.456 rounded %s at %i places is %s', (mode, places, expected) => {
    expect(quantity('sum', { sum: exact('123.456') }, { rounding: { mode, places } })).toBe(expected);
  });

  it('is the part its aggregation names', () => {
    const parts = {
      count: 4n,
      sum: exact('10'),
      distinct: 3,
      max: exact('7'),
      min: exact('0.5'),
      latest: exact('2'),
      seconds: exact('6270'),
      integral: exact('15'),
    };
    const of = (aggregation: Aggregation) => quantity(aggregation, parts);
    expect([of('count'), of('sum'), of('unique'), of('max'), of('min')]).toEqual(['4', '10', '3', '7', '0.5']);
    expect([of('average'), of('latest'), of('duration'), of('level')]).toEqual(['2.5', '2', '6270', '15']);
  });

  it('is 0 or nothing where there was no event', () => {
    const of = (aggregation: Aggregation) => quantity(aggregation, {});
    expect([of('count'), of('sum'), of('unique'), of('duration'), of('level')]).toEqual(['0', '0', '0', '0', '0']);
    expect([of('max'), of('min'), of('average'), of('latest')]).toEqual([undefined, undefined, undefined, undefined]);
    expect(formatDecimal(quantityOf(exampleMeter('max'), {}))).toBe('0');
  });

  it('is divided before it is rounded, and rounded once', () => {
    const thirds = { divideBy: exact('3'), unit: 'third' };
    expect(quantity('sum', { sum: exact('1') }, { conversion: thirds })).toBe('0.333333333333333333');
    expect(quantity('average', { count: 3, sum: exact('1') })).toBe('0.333333333333333333');
    // 10 / 3 / 3 = 1.1…: two roundings at one place would give 1.1 from 3.3, and up from there 1.2 is wrong for 3.33 / 3.
    expect(
      quantity('average', { count: 3, sum: exact('10') }, { conversion: thirds, rounding: { mode: 'up', places: 1 } }),
    ).toBe('1.2');
    // 0.45 is a half of one place only before any division is rounded.
    const by = { divideBy: exact('20'), unit: 'x' };
    const nearest = { mode: 'nearest', places: 1 } as const;
    expect(quantity('sum', { sum: exact('9') }, { conversion: by, rounding: nearest })).toBe('0.5');
    expect(quantity('sum', { sum: exact('8.999999999999999999') }, { conversion: by, rounding: nearest })).toBe('0.4');
  });

  it('has what was sold added as it is', () => {
    const half = { conversion: { divideBy: exact('2'), unit: 'pair' }, rounding: { mode: 'up', places: 0 } } as const;
    expect(quantity('sum', { sum: exact('3'), sold: exact('0.25') }, half)).toBe('2.25');
    expect(quantity('max', { sold: exact('1') })).toBe('1');
  });

  it('is off by less than one step, to the side its rounding says', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 10n ** 24n),
        fc.integer({ min: 0, max: 18 }),
        fc.bigInt(1n, 10n ** 13n),
        fc.integer({ min: -4, max: 8 }),
        fc.constantFrom('up', 'down', 'nearest'),
        (units, scale, by, places, mode) => {
          const sum = decimal(units, scale);
          const rules = { conversion: { divideBy: decimal(by), unit: 'x' }, rounding: { mode, places } } as const;
          const got = quantityOf(exampleMeter('sum', rules), { sum });
          // got · by - sum lies within one step · by of zero: no division in the check.
          const error = subtractDecimals(multiplyDecimals(got, decimal(by)), sum);
          const step = multiplyDecimals(
            decimal(by),
            places < 0 ? decimal(10n ** BigInt(-places)) : decimal(1n, places),
          );
          const most = mode === 'nearest' ? multiplyDecimals(step, decimal(5n, 1)) : step;
          if (mode === 'up') expect(error.units >= 0n).toBe(true);
          if (mode === 'down') expect(error.units <= 0n).toBe(true);
          const size = { units: error.units < 0n ? -error.units : error.units, scale: error.scale };
          expect(compareDecimals(size, most)).toBeLessThanOrEqual(mode === 'nearest' ? 0 : -1);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('the latest value', () => {
  const somePoints = fc
    .array(fc.record({ time: fc.integer({ min: 0, max: 20 }), units: fc.bigInt(0n, 9n) }), { maxLength: 8 })
    .map((drafts): Point[] =>
      drafts.map(({ time, units }, i) => ({
        resource: '',
        time: instant(time),
        receipt: { position: 1n, ordinal: (i * 7) % 11 },
        kind: 'value',
        number: decimal(units),
        series: '',
      })),
    );

  it('is that of the greatest time and receipt in the range, or before it when it carries over', () => {
    fc.assert(
      fc.property(somePoints, fc.integer({ min: 0, max: 20 }), fc.boolean(), (points, start, carryOver) => {
        const range: Period = { start: instant(start), end: instant(start + 5) };
        const sorted = [...points].sort(comparePoints).filter(({ time }) => time < range.end);
        const inside = sorted.filter(({ time }) => time >= start).at(-1);
        expect(latestOf(points, range, carryOver)).toEqual((inside ?? (carryOver ? sorted.at(-1) : undefined))?.number);
      }),
    );
  });
});
