import fc from 'fast-check';
import { type Decimal, ZERO, addDecimals, compareDecimals, formatDecimal } from '@core/money';
import { type Instant, type Period, instant } from '@core/time';
import {
  ACCOUNTS,
  type Counted,
  DAY,
  QUARTER,
  TYPES,
  asModel,
  entriesOf,
  lastVersions,
  model,
  rowsOf,
  t0,
} from './contributions.examples.js';
import type { ListeningMeter } from './contribution-rows.js';
import { durationOf } from './duration.js';
import { latestOf } from './latest.js';
import { levelIntegralOf } from './level-integral.js';
import { exact, exampleMeter } from './meter.examples.js';
import { AGGREGATIONS, type Aggregation, type Meter } from './meter.js';
import { comparePoints } from './points.js';
import { measuredQuantity } from './quantity.js';
import { ACTIONS, type LoggedEvent } from './usage-event.js';

const thousandths = fc.oneof(fc.bigInt(0n, 5000n), fc.constantFrom(0n, 1n, 9_007_199_254_740_993_000n, 10n ** 21n));
const text = thousandths.map((units) => formatDecimal({ units, scale: 3 }));
const sometimes = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 4 });
const event = fc
  .record({
    type: fc.constantFrom(...TYPES),
    subject: fc.constantFrom(...Object.keys(ACCOUNTS)),
    time: fc.oneof(
      fc.integer({ min: 0, max: 2 * DAY }),
      fc.integer({ min: 0, max: 8 }).map((i) => i * QUARTER),
    ),
    value: sometimes(fc.oneof(text, fc.constant('junk'))),
    level: sometimes(text),
    delta: sometimes(thousandths.map((units) => formatDecimal({ units: -units, scale: 3 }))),
    action: sometimes(fc.constantFrom(...ACTIONS)),
    weight: sometimes(text),
    cost: sometimes(text),
    resource: sometimes(fc.constantFrom('r', 's')),
    dimensions: sometimes(
      fc.dictionary(fc.constantFrom('region', 'user'), fc.constantFrom('eu', 'us', ''), { minKeys: 1 }),
    ),
  })
  .map(
    ({ time, ...rest }) =>
      ({
        source: '/s',
        id: '1',
        timeStated: true,
        time: instant(t0 + time),
        ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
      }) as LoggedEvent,
  );
const moment = fc
  .oneof(fc.integer({ min: 0, max: 2 * DAY }), fc.constantFrom(QUARTER, 3 * QUARTER + 1, DAY))
  .map((ms) => instant(t0 + ms));
const version = (aggregation: Aggregation, number: number, effectiveAt: Instant) =>
  fc
    .record({
      eventType: fc.constantFrom('x', 'x', 'x', 'y'),
      filters: fc.constantFrom(
        [],
        [],
        [{ dimension: 'region', in: ['eu', ''] }],
        [{ dimension: 'user', exists: false }],
        [{ dimension: 'region', notIn: ['us'] }],
      ),
      groupBy: fc.constantFrom([], [], ['region'], ['user', 'region']),
      itemized: fc.constant(aggregation === 'sum' && number % 2 === 0),
    })
    .map((rules): Meter => exampleMeter(aggregation, { ...rules, effectiveAt, version: number }));
const listening = fc
  .tuple(fc.constantFrom(...AGGREGATIONS), fc.array(moment, { maxLength: 2 }), fc.array(moment, { maxLength: 3 }))
  .chain(([aggregation, changes, cuts]) =>
    fc.tuple(
      fc.tuple(...[0, ...changes.sort((a, b) => a - b)].map((from, i) => version(aggregation, i + 1, instant(from)))),
      fc.constant(cuts.sort((a, b) => a - b)),
    ),
  )
  .map(([versions, cuts]) => ({ versions, cuts }));
const meters = fc
  .array(listening, { minLength: 1, maxLength: 4 })
  .map((all) => all.map((each, i): ListeningMeter => ({ number: i + 1, ...each })));

/** An event with what becomes of it later: nothing, a void, or another version. */
const story = fc.record({
  event,
  fate: fc.oneof(fc.constant('kept' as const), fc.constant('voided' as const), event),
});

describe('contributions', () => {
  it('of what was sent, voided and amended are those of the last versions alone, as a model counts them', () => {
    let seen = 0;
    fc.assert(
      fc.property(meters, fc.array(story, { maxLength: 12 }), (listeners, stories) => {
        const rows = rowsOf(entriesOf(stories), listeners);
        seen += rows.points.length + rows.values.length;
        expect(asModel(rows)).toEqual(model(lastVersions(stories), listeners).rows);
      }),
      { numRuns: 2000 },
    );
    expect(seen).toBeGreaterThan(800);
  });

  it('are the same rows in any order of the entries, corrections before what they correct included', () => {
    const shuffled = fc.array(story, { maxLength: 8 }).chain((stories) => {
      const entries = entriesOf(stories);
      return fc.tuple(fc.constant(entries), fc.shuffledSubarray(entries, { minLength: entries.length }));
    });
    fc.assert(
      fc.property(meters, shuffled, (listeners, [entries, other]) => {
        expect(rowsOf(other, listeners)).toEqual(rowsOf(entries, listeners));
      }),
      { numRuns: 1000 },
    );
  });
});

const ACCOUNT = 2;
const ADDS_UP: readonly Aggregation[] = ['count', 'sum', 'duration', 'level'];

const largest = (values: readonly Decimal[]): Decimal | undefined =>
  values.reduce<Decimal | undefined>(
    (most, each) => (!most || compareDecimals(each, most) > 0 ? each : most),
    undefined,
  );
const smallest = (values: readonly Decimal[]): Decimal | undefined =>
  values.reduce<Decimal | undefined>(
    (least, each) => (!least || compareDecimals(each, least) < 0 ? each : least),
    undefined,
  );

/** The quantity of a range that begins and ends at quarters, from derived rows alone. */
function fromRows(rows: ReturnType<typeof rowsOf>, number: number, meter: Meter, range: Period): Decimal | undefined {
  const own = <Row extends { account: number; meter: number }>(all: readonly Row[]) =>
    all.filter((row) => row.account === ACCOUNT && row.meter === number);
  const inside = ({ start }: { start: number }) => start >= range.start && start < range.end;
  // Whole days from the large cells, the rest from the small ones.
  const cells = own(rows.cells).filter((cell) => {
    const day = cell.start - (cell.start % DAY);
    const whole = day >= range.start && day + DAY <= range.end;
    return inside(cell) && cell.grain === (whole ? 1440 : 15);
  });
  const values = own(rows.values).filter(inside);
  const numbers = values.flatMap((row) => row.number ?? []);
  const points = own(rows.points);
  return measuredQuantity(meter, {
    count: cells.reduce((sum, { count }) => sum + count, 0),
    sum: cells.reduce((sum, cell) => addDecimals(sum, cell.sum), ZERO),
    distinct: new Set(values.map(({ value }) => value)).size,
    max: largest(numbers),
    min: smallest(numbers),
    latest: latestOf(points, range, meter.carryOver ?? false),
    seconds: durationOf(points, range, range.end, meter.duration).seconds,
    integral: levelIntegralOf(points, range, range.end),
  });
}

/** The same from the events that count, by the definition. */
function fromEvents(counted: readonly Counted[], number: number, meter: Meter, range: Period): Decimal | undefined {
  const own = counted
    .filter(({ account, meter: heard }) => account === ACCOUNT && heard === number)
    .filter(({ event }) => event.time >= range.start && event.time < range.end)
    .sort((a, b) => comparePoints(pointOf(a), pointOf(b)));
  const values = own.map(({ event }) => exact(event.value ?? ''));
  const sum = values.reduce(addDecimals, ZERO);
  switch (meter.aggregation) {
    case 'count':
      return exact(String(own.length));
    case 'sum':
      return sum;
    case 'unique':
      return exact(String(new Set(own.map(({ event }) => event.dimensions?.user)).size));
    case 'max':
      return values.sort(compareDecimals).at(-1);
    case 'min':
      return values.sort(compareDecimals).at(0);
    case 'average':
      return own.length === 0 ? undefined : measuredQuantity(meter, { count: own.length, sum });
    case 'latest':
      return values.at(-1);
    case 'duration':
    case 'level':
      throw new Error('runs and levels have models of their own');
  }
}

const pointOf = ({ event, receipt }: Counted) =>
  ({ resource: '', time: event.time, receipt, kind: 'value', series: '' }) as const;

describe('quantities from derived rows', () => {
  const quarters = fc.integer({ min: 0, max: 220 }).map((i) => instant(t0 + i * QUARTER));
  const ranges = fc.tuple(quarters, quarters, quarters).map((three) => three.sort((a, b) => a - b));
  // A cut or a new definition may lie anywhere, and so may cells begin; a range that begins at quarters meets none in part.
  const stories = fc.array(story, { maxLength: 16 });

  it('are those of the events that count, after every correction', () => {
    fc.assert(
      fc.property(meters, stories, ranges, (listeners, told, [start = t0, , end = t0]) => {
        const rows = rowsOf(entriesOf(told), listeners);
        const { counted } = model(lastVersions(told), listeners);
        for (const { number, versions } of listeners) {
          const meter = versions[0] ?? exampleMeter('count');
          if (meter.aggregation === 'duration' || meter.aggregation === 'level') continue;
          const got = fromRows(rows, number, meter, { start, end });
          const expected = fromEvents(counted, number, meter, { start, end });
          expect(got && formatDecimal(got)).toBe(expected && formatDecimal(expected));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('add up over a split range for counts, sums, runs and levels', () => {
    let different = 0;
    fc.assert(
      fc.property(meters, stories, ranges, (listeners, told, [start = t0, middle = t0, end = t0]) => {
        const rows = rowsOf(entriesOf(told), listeners);
        for (const { number, versions } of listeners) {
          const meter = versions[0] ?? exampleMeter('count');
          if (!ADDS_UP.includes(meter.aggregation)) continue;
          const of = (from: typeof start, to: typeof end) =>
            fromRows(rows, number, meter, { start: from, end: to }) ?? ZERO;
          const [first, second, whole] = [of(start, middle), of(middle, end), of(start, end)];
          if (first.units !== 0n && second.units !== 0n) different += 1;
          expect(formatDecimal(addDecimals(first, second))).toBe(formatDecimal(whole));
        }
      }),
      { numRuns: 1000 },
    );
    expect(different).toBeGreaterThan(20);
  });
});
