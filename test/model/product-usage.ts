import {
  Contributions,
  type ListeningMeter,
  type LoggedEvent,
  type Meter,
  type Point,
  type QuantityParts,
  durationOf,
  latestOf,
  levelIntegralOf,
  packEvents,
  quantityOf,
  readSeries,
} from '@core/metering';
import { type Decimal, ZERO, addDecimals, compareDecimals, parseDecimal } from '@core/money';
import type { BucketSpan, PriceTerms, RatedUsage } from '@core/pricing';
import { type Period, instant } from '@core/time';
import { type Case, type Happening, OCTOBER, QUARTER, DAY } from './story.js';

// Usage as the product counts it: entries of the log contribute to signed rows, and rows make quantities.

const METER_NUMBER = 7;
const ACCOUNT = 3;

export const exact = (text: string): Decimal => {
  const value = parseDecimal(text);
  if (!value) throw new Error(`"${text}" does not read`);
  return value;
};

export function meterOf({ meter }: Case): readonly Meter[] {
  const { aggregation, versions, groupBy, itemized, divideBy, rounding, carryOver } = meter;
  const { minimumSeconds, incrementSeconds, heartbeatSeconds } = meter;
  const rules = [minimumSeconds, incrementSeconds, heartbeatSeconds].some((rule) => rule !== undefined);
  return versions.map(({ from, regions }, i) => ({
    id: 'mtr_model',
    name: 'model',
    eventType: 'model',
    unit: 'unit',
    aggregation,
    version: i + 1,
    effectiveAt: instant(from),
    filters: regions ? [{ dimension: 'region', in: regions }] : [],
    groupBy,
    itemized,
    ...(aggregation === 'unique' ? { property: 'user' } : {}),
    ...(divideBy === undefined ? {} : { conversion: { divideBy: exact(divideBy), unit: 'other' } }),
    ...(rounding ? { rounding } : {}),
    ...(carryOver === undefined ? {} : { carryOver }),
    ...(rules
      ? {
          duration: {
            ...(minimumSeconds === undefined ? {} : { minimumSeconds: exact(minimumSeconds) }),
            ...(incrementSeconds === undefined ? {} : { incrementSeconds: exact(incrementSeconds) }),
            ...(heartbeatSeconds === undefined ? {} : { heartbeatLimitSeconds: exact(heartbeatSeconds) }),
          },
        }
      : {}),
  }));
}

const logged = (event: Happening, order: number): LoggedEvent => {
  const { time, region, user, ...fields } = event;
  const dimensions = { ...(region === undefined ? {} : { region }), ...(user === undefined ? {} : { user }) };
  return {
    source: '/model',
    id: String(order),
    type: 'model',
    subject: 'account',
    time: instant(time),
    timeStated: true,
    ...fields,
    ...(Object.keys(dimensions).length > 0 ? { dimensions } : {}),
  };
};

/** What happened to the log: an event counts from now on (1), or no more (-1). */
interface LogLine {
  readonly order: number;
  readonly event: Happening;
  readonly sign: 1 | -1;
}

/** What arrives at a stage: new events, and corrections as the version they undo and the one they add. */
function linesOf({ stories }: Case, stage: number): LogLine[] {
  return stories.flatMap((story, order) => {
    const lines: LogLine[] = story.stage === stage ? [{ order, event: story.event, sign: 1 }] : [];
    let current: Happening | undefined = story.event;
    for (const fix of story.fixes) {
      if (fix.stage === stage && current) lines.push({ order, event: current, sign: -1 });
      if (fix.stage === stage && fix.event) lines.push({ order, event: fix.event, sign: 1 });
      current = fix.event;
    }
    return lines;
  });
}

interface Cell {
  count: number;
  sum: Decimal;
  cost: Decimal;
}

/** The derived rows of one meter and account. */
export class UsageRows {
  readonly #cells = new Map<
    string,
    Cell & { readonly grain: number; readonly start: number; readonly series: string }
  >();
  readonly #values = new Map<
    string,
    {
      readonly start: number;
      readonly series: string;
      readonly value: string;
      readonly number?: Decimal | undefined;
      count: number;
    }
  >();
  readonly #points = new Map<string, Point & { net: number }>();
  readonly #listening: ListeningMeter;

  constructor(
    private readonly told: Case,
    private readonly versions: readonly Meter[],
    cuts: readonly number[],
    /** Changes the order of lines: it must not matter. */
    private readonly shuffle: (count: number) => number,
  ) {
    this.#listening = { number: METER_NUMBER, versions, cuts: cuts.map(instant) };
  }

  /** Takes in what arrived at a stage, as one transaction of the roll-up. */
  roll(stage: number): void {
    const lines = linesOf(this.told, stage);
    for (let i = lines.length - 1; i > 0; i -= 1) {
      const [j, held] = [this.shuffle(i + 1), lines[i]];
      const other = lines[j];
      if (held && other) [lines[i], lines[j]] = [other, held];
    }
    const contributions = new Contributions();
    for (const sign of [-1, 1] as const) {
      const own = lines.filter((line) => line.sign === sign);
      if (own.length === 0) continue;
      const batch = packEvents(own.map(({ event, order }) => logged(event, order)));
      contributions.add(batch, { accounts: [ACCOUNT], meters: [[this.#listening]] }, 1n, {
        sign,
        receipts: (ordinal) => ({ position: 5n, ordinal: own[ordinal]?.order ?? -1 }),
      });
    }
    this.#apply(contributions);
  }

  #apply(contributions: Contributions): void {
    for (const { grain, start, series, count, sum, cost } of contributions.cells()) {
      const key = `${grain} ${start} ${series}`;
      const cell = this.#cells.get(key) ?? { grain, start, series, count: 0, sum: ZERO, cost: ZERO };
      const next = {
        ...cell,
        count: cell.count + count,
        sum: addDecimals(cell.sum, sum),
        cost: addDecimals(cell.cost, cost),
      };
      this.#cells.set(key, next);
    }
    for (const { start, series, value, number, count } of contributions.values()) {
      const key = `${start} ${series} ${value}`;
      const row = this.#values.get(key);
      if (row) row.count += count;
      else this.#values.set(key, { start, series, value, number, count });
    }
    for (const { sign, receipt, ...point } of contributions.points()) {
      const key = JSON.stringify([
        point.resource,
        point.time,
        receipt.ordinal,
        point.kind,
        point.series,
        point.number?.units.toString(),
        point.number?.scale,
      ]);
      const row = this.#points.get(key);
      if (row) row.net += sign;
      else this.#points.set(key, { ...point, receipt, net: sign });
    }
  }

  get points(): Point[] {
    return [...this.#points.values()].flatMap((point) => {
      if (point.net !== 0 && point.net !== 1) throw new Error(`a point is there ${point.net} times`);
      return point.net === 1 ? [point] : [];
    });
  }

  #isCounted(): boolean {
    const aggregation = this.versions[0]?.aggregation;
    return aggregation === 'count' || aggregation === 'sum' || aggregation === 'average';
  }

  /** Days where they lie wholly in a span, quarters of an hour before and after. */
  #cellsIn({ start, end }: Period): { series: string; count: number; sum: Decimal; cost: Decimal }[] {
    const { cuts } = this.#listening;
    const first = Math.min(Math.ceil(start / DAY) * DAY, ...cuts.filter((cut) => cut >= start));
    const last = Math.max(Math.floor(end / DAY) * DAY, ...cuts.filter((cut) => cut <= end));
    return [...this.#cells.values()].filter((cell) => {
      if (cell.start < start || cell.start >= end) return false;
      const inDays = first < last && cell.start >= first && cell.start < last;
      return cell.grain === (inDays ? 1440 : 15);
    });
  }

  /** What the quantity of some spans, counted as one, is made of. */
  #parts(
    spans: readonly Period[],
    now: number,
    series?: (series: string) => boolean,
  ): QuantityParts & { readonly empty: boolean } {
    const { aggregation = 'count', carryOver, duration } = this.versions[0] ?? {};
    const own = <Row extends { readonly series: string }>(rows: readonly Row[]): Row[] =>
      series ? rows.filter((row) => series(row.series)) : [...rows];
    if (this.#isCounted()) {
      const cells = own(spans.flatMap((span) => this.#cellsIn(span)));
      const count = cells.reduce((total, cell) => total + cell.count, 0);
      return { count, sum: cells.reduce((total, { sum }) => addDecimals(total, sum), ZERO), empty: count === 0 };
    }
    if (aggregation === 'level') {
      const sum = spans.map((span) => levelIntegralOf(own(this.points), span, instant(now))).reduce(addDecimals, ZERO);
      return { integral: sum, empty: false };
    }
    if (aggregation === 'duration') {
      const sum = spans.map((span) => durationOf(own(this.points), span, instant(now), duration).seconds);
      return { seconds: sum.reduce(addDecimals, ZERO), empty: false };
    }
    const [span] = spans;
    if (!span) return { empty: true };
    if (aggregation === 'latest') {
      const latest = latestOf(own(this.points), span, carryOver === true);
      return { latest, empty: latest === undefined };
    }
    const values = own([...this.#values.values()]).filter(
      ({ start, count }) => count !== 0 && start >= span.start && start < span.end,
    );
    const numbers = values.flatMap(({ number }) => number ?? []).sort(compareDecimals);
    return {
      distinct: new Set(values.map(({ value }) => value)).size,
      max: numbers.at(-1),
      min: numbers[0],
      empty: values.length === 0,
    };
  }

  #quantity(spans: readonly Period[], now: number): Decimal {
    const [meter] = this.versions;
    return meter ? quantityOf(meter, this.#parts(spans, now)) : ZERO;
  }

  /** What the terms of a price need to know. */
  rated(
    span: Period,
    now: number,
    { needs, groupBy, clock }: Pick<PriceTerms, 'needs' | 'groupBy' | 'clock'>,
  ): RatedUsage {
    const values = [...this.#values.values()].filter(({ start }) => start >= span.start && start < span.end);
    return {
      quantity: this.#quantity([span], now),
      ...(needs.includes('values')
        ? { values: values.flatMap(({ number, count }) => (number ? [{ value: number, count: BigInt(count) }] : [])) }
        : {}),
      ...(needs.includes('cost')
        ? { cost: this.#cellsIn(span).reduce((total, { cost }) => addDecimals(total, cost), ZERO) }
        : {}),
      ...(needs.includes('groups') ? { groups: this.#groups(span, now, groupBy) } : {}),
      ...(needs.includes('hours') && clock ? { buckets: this.#buckets(span, now, clock) } : {}),
    };
  }

  #groups(span: Period, now: number, by: readonly string[]): NonNullable<RatedUsage['groups']> {
    const [meter] = this.versions;
    const tupleOf = (series: string): Record<string, string> =>
      Object.fromEntries(
        Object.entries(readSeries(meter?.groupBy ?? [], series)).filter(([name]) => by.includes(name)),
      );
    const all = [...this.#cells.values(), ...this.#values.values(), ...this.points].map(({ series }) => series);
    const tuples = new Map(all.map((series) => [JSON.stringify(tupleOf(series)), tupleOf(series)]));
    return [...tuples].flatMap(([key, dimensions]) => {
      const { empty, ...parts } = this.#parts([span], now, (series) => JSON.stringify(tupleOf(series)) === key);
      return empty || !meter ? [] : [{ dimensions, quantity: quantityOf(meter, parts) }];
    });
  }

  #buckets(span: Period, now: number, clock: NonNullable<PriceTerms['clock']>): Record<string, Decimal> {
    const buckets = new Map<string, Period[]>();
    for (const { bucket, period } of bucketsOnce(clock, span))
      buckets.set(bucket, [...(buckets.get(bucket) ?? []), period]);
    return Object.fromEntries([...buckets].map(([bucket, spans]) => [bucket, this.#quantity(spans, now)]));
  }
}

const cut = new WeakMap<object, Map<string, readonly BucketSpan[]>>();

/** The table of a price is asked about the same spans at every stage, and reading the wall's clock takes long. */
function bucketsOnce(clock: NonNullable<PriceTerms['clock']>, span: Period): readonly BucketSpan[] {
  const known = cut.get(clock) ?? new Map<string, readonly BucketSpan[]>();
  cut.set(clock, known);
  const key = `${span.start} ${span.end}`;
  const spans = known.get(key) ?? clock.bucketsOf(span);
  known.set(key, spans);
  return spans;
}

/** The instants at which a cell of the meter has to end: where something changes off the grid of quarters. */
export const cutsOf = ({ meter, offers }: Case, stage: number): number[] => {
  const changes = [
    ...meter.versions.map(({ from }) => from),
    ...offers
      .filter((offer) => offer.stage <= stage)
      .flatMap(({ from, until }) => (until === undefined ? [from] : [from, until])),
  ];
  return [...new Set(changes)].filter((at) => at % QUARTER !== 0 && at > OCTOBER.start).sort((a, b) => a - b);
};
