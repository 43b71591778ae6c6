import fc from 'fast-check';
import { type Decimal, ZERO, addDecimals, decimal, formatDecimal } from '@core/money';
import { type Period, instant } from '@core/time';
import { levelIntegralOf } from './level-integral.js';
import { at, exact, exampleMeter } from './meter.examples.js';
import { type Point, comparePoints } from './points.js';
import { quantityOf } from './quantity.js';

const point = (kind: 'level' | 'delta', time: string, number: string, resource = '', position = 0n): Point => ({
  resource,
  time: at(time),
  receipt: { position, ordinal: 0 },
  kind,
  number: exact(number),
  series: '',
});
const level = (time: string, number: string, resource?: string, position?: bigint) =>
  point('level', time, number, resource, position);
const delta = (time: string, number: string, resource?: string, position?: bigint) =>
  point('delta', time, number, resource, position);

const november: Period = { start: at('2026-11-01T00:00:00Z'), end: at('2026-12-01T00:00:00Z') };
const integral = (points: Point[], range: Period, asOf = range.end) =>
  formatDecimal(levelIntegralOf(points, range, asOf));

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

  it('gives the worked GB-hours, GB-months and GiB-months of them, rounded once', () => {
    const bytes = levelIntegralOf(stored, november, november.end);
    const per = (divideBy: string, places: number) =>
      formatDecimal(
        quantityOf(
          exampleMeter('level', {
            conversion: { divideBy: exact(divideBy), unit: 'converted' },
            rounding: { mode: 'nearest', places },
          }),
          { integral: bytes },
        ),
      );
    expect(per('3600', 0)).toBe('3948000000000');
    expect(per('3600000000000', 6)).toBe('3948');
    expect(per(String(720n * 3600n * 10n ** 9n), 6)).toBe('5.483333');
    expect(per(String(720n * 3600n * 2n ** 30n), 6)).toBe('5.106752');
  });

  const changes = [
    delta('2026-08-01T00:00:00Z', '2'),
    delta('2026-08-01T01:00:00Z', '3'),
    delta('2026-08-01T01:30:00Z', '1'),
    delta('2026-08-01T02:00:00Z', '-4'),
    delta('2026-08-01T04:00:00Z', '-2'),
    delta('2026-08-01T05:00:00Z', '10'),
    delta('2026-08-01T05:30:00Z', '-10'),
  ];
  const august: Period = { start: at('2026-08-01T00:00:00Z'), end: at('2026-09-01T00:00:00Z') };
  const average = (points: Point[], range: Period, hours: number) =>
    formatDecimal(
      quantityOf(
        exampleMeter('level', {
          conversion: { divideBy: decimal(BigInt(hours * 3600)), unit: 'average' },
          rounding: { mode: 'nearest', places: 9 },
        }),
        { integral: levelIntegralOf(points, range, range.end) },
      ),
    );

  it('gives the worked weighted sums of changes, of a carried level, and of a period that begins in mid-day', () => {
    expect(integral(changes, august)).toBe(String(16.5 * 3600));
    expect(average(changes, august, 744)).toBe('0.022177419');
    expect(average([level('2026-07-01T00:00:00Z', '1000', 'carried'), ...changes], august, 744)).toBe('1000.022177419');
    expect(average([delta('2026-07-01T00:00:00Z', '1000'), ...changes], august, 744)).toBe('1000.022177419');
    const shifted: Period = { start: at('2026-07-31T18:30:00Z'), end: at('2026-08-31T18:30:00Z') };
    const steps = [
      delta('2026-08-16T00:00:00Z', '20'),
      delta('2026-08-18T00:00:00Z', '10'),
      delta('2026-08-20T00:00:00Z', '10'),
      delta('2026-08-25T00:00:00Z', '5'),
    ];
    expect(average(steps, shifted, 744)).toBe('19.506048387');
  });

  it('gives the worked GB-days of a store and a delete', () => {
    const stays = [
      level('2026-11-01T00:00:00Z', '2', 'a'),
      level('2026-11-05T00:00:00Z', '0', 'a'),
      level('2026-11-10T00:00:00Z', '2', 'b'),
      level('2026-11-12T00:00:00Z', '0', 'b'),
    ];
    expect(integral(stays, november)).toBe(String(12 * 86_400));
    expect(average(stays, november, 720)).toBe('0.4');
  });

  it('is exact for an exabyte held for a month', () => {
    const huge = level('2026-11-01T00:00:00Z', '1000000000000000000');
    expect(integral([huge], november)).toBe('2592000000000000000000000');
  });

  it('holds the last level to now and no further', () => {
    expect(integral([level('2026-11-01T00:00:00Z', '3')], november, at('2026-11-01T00:00:10.500Z'))).toBe('31.5');
    expect(integral([level('2026-11-01T00:00:20Z', '3')], november, at('2026-11-01T00:00:10Z'))).toBe('0');
  });

  const second: Period = { start: november.start, end: at('2026-11-01T00:00:01Z') };

  it('lets the later received of two levels at one instant hold, and then adds all changes', () => {
    const tie = [
      delta('2026-11-01T00:00:00Z', '4', '', 3n),
      level('2026-11-01T00:00:00Z', '7', '', 2n),
      level('2026-11-01T00:00:00Z', '5', '', 1n),
      delta('2026-11-01T00:00:00Z', '-1', '', 0n),
    ];
    expect(integral(tie, second)).toBe('10');
  });

  it('counts a level below zero as zero until the missing increase is there', () => {
    const removed = delta('2026-11-01T00:00:00Z', '-5');
    expect(integral([removed], second)).toBe('0');
    expect(integral([removed, delta('2026-10-31T00:00:00Z', '8')], second)).toBe('3');
  });

  const moments = fc.integer({ min: 0, max: 120 });
  const somePoints = fc
    .array(
      fc.record({
        resource: fc.constantFrom('', 'a', 'b'),
        time: moments,
        kind: fc.constantFrom<'level' | 'delta'>('level', 'delta'),
        units: fc.bigInt(0n, 10n ** 24n),
        scale: fc.integer({ min: 0, max: 18 }),
        down: fc.boolean(),
      }),
      { maxLength: 12 },
    )
    .map((drafts): Point[] =>
      drafts.map(({ resource, time, kind, units, scale, down }, i) => ({
        resource,
        time: instant(time),
        receipt: { position: BigInt(i), ordinal: 0 },
        kind,
        number: decimal(kind === 'delta' && down ? -units : units, scale),
        series: '',
      })),
    );
  const someRange = fc
    .tuple(moments, moments)
    .map(([a, b]): Period => ({ start: instant(Math.min(a, b)), end: instant(Math.max(a, b)) }));

  /** Written differently on purpose: looks at every millisecond for the level that holds there. */
  function naive(points: readonly Point[], range: Period, asOf: number): Decimal {
    let total = ZERO;
    for (let ms = range.start as number; ms < range.end && ms < asOf; ms += 1) {
      for (const resource of new Set(points.map((each) => each.resource))) {
        const past = points.filter((each) => each.resource === resource && each.time <= ms).sort(comparePoints);
        const absolute = past.findLast(({ kind }) => kind === 'level');
        const since = past.filter(({ kind, time }) => kind === 'delta' && time >= (absolute?.time ?? 0));
        const held = since.reduce((sum, { number = ZERO }) => addDecimals(sum, number), absolute?.number ?? ZERO);
        if (held.units > 0n) total = addDecimals(total, { units: held.units, scale: held.scale + 3 });
      }
    }
    return total;
  }

  it('equals a model that looks at every millisecond', () => {
    fc.assert(
      fc.property(somePoints, someRange, moments, (points, range, asOf) => {
        expect(formatDecimal(levelIntegralOf(points, range, instant(asOf)))).toBe(
          formatDecimal(naive(points, range, asOf)),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('does not depend on the order of the points', () => {
    const shuffled = somePoints.chain((points) =>
      fc.tuple(fc.constant(points), fc.shuffledSubarray(points, { minLength: points.length })),
    );
    fc.assert(
      fc.property(shuffled, someRange, ([points, other], range) => {
        expect(levelIntegralOf(other, range, range.end)).toEqual(levelIntegralOf(points, range, range.end));
      }),
    );
  });

  it('adds up over a split range', () => {
    fc.assert(
      fc.property(somePoints, someRange, moments, (points, range, cut) => {
        const middle = instant(Math.min(Math.max(cut, range.start), range.end));
        const parts = addDecimals(
          levelIntegralOf(points, { start: range.start, end: middle }, range.end),
          levelIntegralOf(points, { start: middle, end: range.end }, range.end),
        );
        expect(formatDecimal(parts)).toBe(formatDecimal(levelIntegralOf(points, range, range.end)));
      }),
    );
  });
});
