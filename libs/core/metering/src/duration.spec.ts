import fc from 'fast-check';
import { type Decimal, ZERO, addDecimals, decimal, formatDecimal, multiplyDecimals } from '@core/money';
import { type Period, instant } from '@core/time';
import { durationOf, lookBackMs } from './duration.js';
import { at, exact, exampleMeter } from './meter.examples.js';
import type { DurationRules } from './meter.js';
import { type Point, comparePoints } from './points.js';

type Kind = 'start' | 'stop' | 'resize' | 'heartbeat';

let received = 0n;
const point = (kind: Kind, time: string, weight?: string, resource = 'vm'): Point => ({
  resource,
  time: at(time),
  receipt: { position: (received += 1n), ordinal: 0 },
  kind,
  number: weight === undefined ? undefined : exact(weight),
  series: '',
});
const november: Period = { start: at('2026-11-01T00:00:00Z'), end: at('2026-12-01T00:00:00Z') };
const december: Period = { start: november.end, end: at('2027-01-01T00:00:00Z') };
const seconds = (points: Point[], range: Period, rules?: DurationRules, asOf = range.end) =>
  formatDecimal(durationOf(points, range, asOf, rules).seconds);
const flags = (points: Point[], rules?: DurationRules, asOf = november.end) =>
  durationOf(points, november, asOf, rules).flags.map(({ kind }) => kind);

describe('duration', () => {
  it('splits the worked run at the end of the month: 6270 s in November, 6310 s in December', () => {
    const run = [point('start', '2026-11-30T22:15:30Z'), point('stop', '2026-12-01T01:45:10Z')];
    expect(seconds(run, november)).toBe('6270');
    expect(seconds(run, december)).toBe('6310');
  });

  it('bills the worked three runs of 20 s with a minimum of 60 s as 180 s', () => {
    const runs = ['10:00', '10:05', '10:10'].flatMap((time) => [
      point('start', `2026-11-03T${time}:00Z`),
      point('stop', `2026-11-03T${time}:20Z`),
    ]);
    expect(seconds(runs, november, { minimumSeconds: exact('60') })).toBe('180');
    expect(seconds(runs, november)).toBe('60');
    expect(seconds(runs, november, { incrementSeconds: exact('15') })).toBe('90');
    expect(seconds(runs, november, { minimumSeconds: exact('25'), incrementSeconds: exact('10') })).toBe('90');
  });

  it('lengthens a run at its end, into the next month where it reaches it', () => {
    const run = [point('start', '2026-11-30T23:59:50Z'), point('stop', '2026-11-30T23:59:55Z')];
    const rules = { minimumSeconds: exact('60') };
    expect([seconds(run, november, rules), seconds(run, december, rules)]).toEqual(['10', '50']);
    expect(lookBackMs(exampleMeter('duration', { duration: { ...rules, incrementSeconds: exact('0.5') } }))).toBe(
      60_500,
    );
  });

  it('multiplies by the weight of each part', () => {
    const run = [
      point('start', '2026-11-03T10:00:00Z', '2'),
      point('resize', '2026-11-03T10:00:10Z', '0.5'),
      point('stop', '2026-11-03T10:00:30.500Z'),
    ];
    expect(seconds(run, november)).toBe('30.25');
  });

  it('counts an open run up to now, and again when the stop is there', () => {
    const start = point('start', '2026-11-03T10:00:00Z');
    expect(seconds([start], november, { minimumSeconds: exact('60') }, at('2026-11-03T10:00:07Z'))).toBe('7');
    expect(seconds([start], november, {}, at('2026-11-03T09:00:00Z'))).toBe('0');
    expect(seconds([start, point('stop', '2026-11-03T10:00:09Z')], november)).toBe('9');
  });

  it('keeps the earliest of two starts, and flags it', () => {
    const twice = [
      point('start', '2026-11-03T10:00:05Z', '100'),
      point('start', '2026-11-03T10:00:00Z'),
      point('stop', '2026-11-03T10:00:10Z'),
    ];
    expect(seconds(twice, november)).toBe('10');
    expect(flags(twice)).toEqual(['double_start']);
  });

  it('lets a stop without a start wait for it, and flags it meanwhile', () => {
    const stop = point('stop', '2026-11-03T10:00:10Z');
    expect(seconds([stop], november)).toBe('0');
    expect(flags([stop])).toEqual(['stop_without_start']);
    const late = [stop, point('start', '2026-11-03T10:00:00Z')];
    expect(seconds(late, november)).toBe('10');
    expect(flags(late)).toEqual([]);
    expect(flags([point('resize', '2026-11-03T10:00:10Z', '2')])).toEqual(['resize_without_start']);
  });

  it('presumes a run stopped that gives no sign of life, and no sooner', () => {
    const rules = { heartbeatLimitSeconds: exact('60') };
    const run = [point('start', '2026-11-03T10:00:00Z'), point('heartbeat', '2026-11-03T10:01:00Z')];
    expect(seconds(run, november, rules)).toBe('120');
    expect(flags(run, rules)).toEqual(['presumed_stopped']);
    expect(seconds(run, november, rules, at('2026-11-03T10:01:30Z'))).toBe('90');
    expect(flags(run, rules, at('2026-11-03T10:01:30Z'))).toEqual([]);
    const lost = [...run, point('heartbeat', '2026-11-03T10:05:00Z'), point('stop', '2026-11-03T10:06:00Z')];
    expect(seconds(lost, november, rules)).toBe('120');
    expect(flags(lost, rules)).toEqual(['presumed_stopped']);
    const again = [...run, point('start', '2026-11-03T10:05:00Z'), point('stop', '2026-11-03T10:05:10Z')];
    expect(seconds(again, november, rules)).toBe('130');
  });

  it('needs nothing from before the last stop that can reach the range', () => {
    const early = [point('start', '2026-10-03T10:00:00Z', '9'), point('stop', '2026-10-04T10:00:00Z')];
    const kept = [point('start', '2026-10-05T10:00:00Z', '2'), point('stop', '2026-11-01T00:00:10Z')];
    expect(seconds(kept, november)).toBe(seconds([...early, ...kept], november));
  });

  const moments = fc.integer({ min: 0, max: 100 });
  const somePoints = fc
    .array(
      fc.record({
        resource: fc.constantFrom('a', 'b'),
        time: moments,
        kind: fc.constantFrom<Kind>('start', 'stop', 'resize', 'heartbeat'),
        weight: fc.integer({ min: 0, max: 5 }),
      }),
      { maxLength: 14 },
    )
    .map((drafts): Point[] =>
      drafts.map(({ weight, time, ...rest }, i) => ({
        ...rest,
        time: instant(time),
        receipt: { position: 1n, ordinal: i },
        number: rest.kind === 'start' || rest.kind === 'resize' ? decimal(BigInt(weight), 1) : undefined,
        series: '',
      })),
    );
  const someRange = fc
    .tuple(moments, moments)
    .map(([a, b]): Period => ({ start: instant(Math.min(a, b)), end: instant(Math.max(a, b)) }));
  const milliseconds = fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined });
  const someRules = fc
    .tuple(milliseconds, milliseconds, milliseconds)
    .map(([minimum, increment, limit]): DurationRules => ({
      ...(minimum ? { minimumSeconds: decimal(BigInt(minimum), 3) } : {}),
      ...(increment ? { incrementSeconds: decimal(BigInt(increment), 3) } : {}),
      ...(limit ? { heartbeatLimitSeconds: decimal(BigInt(limit), 3) } : {}),
    }));

  /** Written differently on purpose: a clock that ticks every millisecond, until long after every range. */
  function naive(points: readonly Point[], range: Period, rules: DurationRules): Decimal {
    const ticks = (value: Decimal | undefined) => (value ? Number(value.units) * 10 ** (3 - value.scale) : 0);
    const [minimum, increment] = [ticks(rules.minimumSeconds), ticks(rules.incrementSeconds)];
    const limit = ticks(rules.heartbeatLimitSeconds);
    let total = ZERO;
    const bill = (ms: number, weight: Decimal) => {
      if (ms >= range.start && ms < range.end) total = addDecimals(total, multiplyDecimals(weight, decimal(1n, 3)));
    };
    for (const resource of ['a', 'b']) {
      const own = points.filter((each) => each.resource === resource).sort(comparePoints);
      let run: { start: number; alive: number; weight: Decimal } | undefined;
      const settle = (from: number) => {
        if (!run) return;
        const { start, weight } = run;
        let end = Math.max(from, start + minimum);
        while (increment > 0 && (end - start) % increment !== 0) end += 1;
        for (let ms = from; ms < end; ms += 1) bill(ms, weight);
        run = undefined;
      };
      for (let ms = 0; ms <= 200; ms += 1) {
        const now = own.filter(({ time }) => time === ms);
        if (run && limit > 0 && ms === run.alive + limit && now.length === 0) settle(ms);
        for (const { kind, number } of now) {
          if (kind === 'start' && !run) run = { start: ms, alive: ms, weight: number ?? decimal(1n) };
          else if (kind === 'stop') settle(ms);
          else if (run) {
            run.alive = ms;
            if (kind === 'resize' && number) run.weight = number;
          }
        }
        if (run) bill(ms, run.weight);
      }
    }
    return total;
  }

  it('equals a model that ticks every millisecond', () => {
    fc.assert(
      fc.property(somePoints, someRange, someRules, (points, range, rules) => {
        expect(formatDecimal(durationOf(points, range, instant(200), rules).seconds)).toBe(
          formatDecimal(naive(points, range, rules)),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('adds up over a split range, whatever the minimum and the increments', () => {
    fc.assert(
      fc.property(somePoints, someRange, moments, moments, someRules, (points, range, cut, asOf, rules) => {
        const middle = instant(Math.min(Math.max(cut, range.start), range.end));
        const of = (part: Period) => durationOf(points, part, instant(asOf), rules);
        const parts = [of({ start: range.start, end: middle }), of({ start: middle, end: range.end })];
        const whole = of(range);
        expect(formatDecimal(parts.reduce((sum, part) => addDecimals(sum, part.seconds), ZERO))).toBe(
          formatDecimal(whole.seconds),
        );
        expect(parts.flatMap((part) => part.flags)).toEqual(whole.flags);
      }),
    );
  });

  it('does not depend on the order of the points', () => {
    const shuffled = somePoints.chain((points) =>
      fc.tuple(fc.constant(points), fc.shuffledSubarray(points, { minLength: points.length })),
    );
    fc.assert(
      fc.property(shuffled, someRange, moments, someRules, ([points, other], range, asOf, rules) => {
        expect(durationOf(other, range, instant(asOf), rules)).toEqual(durationOf(points, range, instant(asOf), rules));
      }),
    );
  });
});
