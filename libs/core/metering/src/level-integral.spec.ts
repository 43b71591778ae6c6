import fc from 'fast-check';
import { type Decimal, addDecimals, decimal, formatDecimal, parseDecimal, ZERO } from '@core/money';
import { instant, parseInstant, type Period } from '@core/time';
import { type Level, levelIntegral } from './level-integral.js';

const at = (text: string) => parseInstant(text) ?? instant(Number.NaN);
const level = (time: string, units: string, resource = '', receipt = 0n): Level => ({
  resource,
  time: at(time),
  receipt,
  level: parseDecimal(units) ?? ZERO,
});
const november: Period = { start: at('2026-11-01T00:00:00Z'), end: at('2026-12-01T00:00:00Z') };
const integral = (levels: Level[], range: Period, asOf = range.end) =>
  formatDecimal(levelIntegral(levels, range, asOf));

describe('the level integral', () => {
  const stored = [
    level('2026-11-01T00:00:00Z', '5000000000'),
    level('2026-11-10T12:00:00Z', '12000000000'),
    level('2026-11-20T06:00:00Z', '0'),
  ];

  it('gives the worked byte-seconds of November 2026, in whole and by segment', () => {
    expect(integral(stored, november)).toBe('14212800000000000');
    expect(integral(stored, { start: november.start, end: at('2026-11-10T12:00:00Z') })).toBe('4104000000000000');
    expect(integral(stored, { start: at('2026-11-10T12:00:00Z'), end: at('2026-11-20T06:00:00Z') })).toBe(
      '10108800000000000',
    );
    expect(integral(stored, { start: at('2026-11-20T06:00:00Z'), end: november.end })).toBe('0');
  });

  it('gives the worked weighted sums: a carried level, and levels of a month that begins in mid-day', () => {
    const august: Period = { start: at('2026-08-01T00:00:00Z'), end: at('2026-09-01T00:00:00Z') };
    const day = [
      level('2026-08-01T00:00:00Z', '2'),
      level('2026-08-01T01:00:00Z', '5'),
      level('2026-08-01T01:30:00Z', '6'),
      level('2026-08-01T02:00:00Z', '2'),
      level('2026-08-01T04:00:00Z', '0'),
      level('2026-08-01T05:00:00Z', '10'),
      level('2026-08-01T05:30:00Z', '0'),
    ];
    expect(integral(day, august)).toBe(String(16.5 * 3600));
    const carried = [level('2026-07-01T00:00:00Z', '1000', 'carried'), ...day];
    expect(integral(carried, august)).toBe(String(16.5 * 3600 + 1000 * 744 * 3600));
    const shifted: Period = { start: at('2026-07-31T18:30:00Z'), end: at('2026-08-31T18:30:00Z') };
    const steps = [
      level('2026-08-16T00:00:00Z', '20'),
      level('2026-08-18T00:00:00Z', '30'),
      level('2026-08-20T00:00:00Z', '40'),
      level('2026-08-25T00:00:00Z', '45'),
    ];
    // 19.506048387… on average over 744 hours.
    expect(integral(steps, shifted)).toBe(String(14512.5 * 3600));
  });

  it('holds the last level to now and no further', () => {
    expect(integral([level('2026-11-01T00:00:00Z', '3')], november, at('2026-11-01T00:00:10.500Z'))).toBe('31.5');
    expect(integral([level('2026-11-01T00:00:20Z', '3')], november, at('2026-11-01T00:00:10Z'))).toBe('0');
  });

  it('lets the later received of two levels at one instant hold', () => {
    const tie = [level('2026-11-01T00:00:00Z', '7', '', 2n), level('2026-11-01T00:00:00Z', '5', '', 1n)];
    expect(integral(tie, { start: november.start, end: at('2026-11-01T00:00:01Z') })).toBe('7');
  });

  const moments = fc.integer({ min: 0, max: 120 });
  const someLevels = fc
    .array(
      fc.record({
        resource: fc.constantFrom('', 'a', 'b'),
        time: moments,
        units: fc.bigInt(0n, 10n ** 24n),
        scale: fc.integer({ min: 0, max: 18 }),
      }),
      { maxLength: 12 },
    )
    .map((drafts): Level[] =>
      drafts.map(({ resource, time, units, scale }, i) => ({
        resource,
        time: instant(time),
        receipt: BigInt(i),
        level: decimal(units, scale),
      })),
    );
  const someRange = fc
    .tuple(moments, moments)
    .map(([a, b]): Period => ({ start: instant(Math.min(a, b)), end: instant(Math.max(a, b)) }));

  /** Written differently on purpose: looks at every millisecond for the level that holds there. */
  function naive(levels: readonly Level[], range: Period, asOf: number): Decimal {
    let total = ZERO;
    for (let ms = range.start as number; ms < range.end && ms < asOf; ms += 1) {
      for (const resource of new Set(levels.map((each) => each.resource))) {
        const holding = levels
          .filter((each) => each.resource === resource && each.time <= ms)
          .reduce<Level | undefined>((held, each) => {
            if (!held || each.time > held.time || (each.time === held.time && each.receipt > held.receipt)) return each;
            return held;
          }, undefined);
        if (holding) total = addDecimals(total, { units: holding.level.units, scale: holding.level.scale + 3 });
      }
    }
    return total;
  }

  it('equals a model that looks at every millisecond', () => {
    fc.assert(
      fc.property(someLevels, someRange, moments, (levels, range, asOf) => {
        expect(formatDecimal(levelIntegral(levels, range, instant(asOf)))).toBe(
          formatDecimal(naive(levels, range, asOf)),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('does not depend on the order of arrival in the list', () => {
    const shuffled = someLevels.chain((levels) =>
      fc.tuple(fc.constant(levels), fc.shuffledSubarray(levels, { minLength: levels.length })),
    );
    fc.assert(
      fc.property(shuffled, someRange, ([levels, other], range) => {
        expect(levelIntegral(other, range, range.end)).toEqual(levelIntegral(levels, range, range.end));
      }),
    );
  });

  it('adds up over a split range', () => {
    fc.assert(
      fc.property(someLevels, someRange, moments, (levels, range, cut) => {
        const middle = instant(Math.min(Math.max(cut, range.start), range.end));
        const parts = addDecimals(
          levelIntegral(levels, { start: range.start, end: middle }, range.end),
          levelIntegral(levels, { start: middle, end: range.end }, range.end),
        );
        expect(formatDecimal(parts)).toBe(formatDecimal(levelIntegral(levels, range, range.end)));
      }),
    );
  });
});
