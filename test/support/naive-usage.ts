import {
  type LoggedEvent,
  type Meter,
  type Point,
  type PointKind,
  type QuantityParts,
  type Receipt,
  compareReceipts,
  durationOf,
  quantityOf,
} from '@core/metering';
import { type Decimal, ZERO, addDecimals, compareDecimals, decimal, multiplyDecimals, parseDecimal } from '@core/money';
import type { Instant, Period } from '@core/time';
import type { StoredMeter } from '@features/metering';

/** An event that counts, as the model keeps it. */
export interface Counted {
  readonly event: LoggedEvent;
  readonly receipt: Receipt;
}

export interface Sold {
  readonly meter: number;
  readonly time: number;
  readonly quantity: string;
}

const number = (text: string | undefined): Decimal => parseDecimal(text ?? '0') ?? ZERO;
const inRange = ({ start, end }: Period, time: number): boolean => time >= start && time < end;

const decides = (meter: StoredMeter, time: number): Meter =>
  [...meter.versions].reverse().find(({ effectiveAt }) => effectiveAt <= time) ?? meter.versions[0] ?? meter;

const dimension = (event: LoggedEvent, name: string): string | undefined => event.dimensions?.[name];

function counts(version: Meter, event: LoggedEvent): boolean {
  const passes = version.filters.every(({ dimension: name, in: only, notIn, exists }) => {
    const value = dimension(event, name);
    if (exists !== undefined && exists !== (value !== undefined)) return false;
    if (only && (value === undefined || !only.includes(value))) return false;
    return !(notIn && value !== undefined && notIn.includes(value));
  });
  if (!passes) return false;
  switch (version.aggregation) {
    case 'count':
      return true;
    case 'unique':
      return dimension(event, version.property ?? '') !== undefined;
    case 'duration':
      return event.action !== undefined;
    case 'level':
      return event.level !== undefined || event.delta !== undefined;
    case 'sum':
    case 'max':
    case 'min':
    case 'average':
    case 'latest':
      return event.value !== undefined;
  }
}

/** The tuple an event belongs to, for the dimensions asked for. */
const tupleOf = (version: Meter, event: LoggedEvent, by: readonly string[]): string =>
  JSON.stringify(by.map((name) => (version.groupBy.includes(name) ? (dimension(event, name) ?? null) : null)));

/** Quantities by going through every event, with nothing derived and nothing shared with what is tested but single events. */
export class NaiveUsage {
  readonly events: Counted[] = [];
  readonly sold: Sold[] = [];

  quantity(meter: StoredMeter, subject: string, range: Period, asOf: Instant, unsoldOnly: boolean): Decimal {
    const own = this.#own(meter, subject);
    const sold = this.sold.filter((each) => each.meter === meter.number && inRange(range, each.time));
    return quantityOf(decides(meter, range.end - 1), {
      ...partsOf(meter, own, range, asOf),
      ...(unsoldOnly || subject !== 'agent-1'
        ? {}
        : { sold: sold.reduce((sum, { quantity }) => addDecimals(sum, number(quantity)), ZERO) }),
    });
  }

  /** By tuple, for meters whose points do not move between series. */
  groups(
    meter: StoredMeter,
    subject: string,
    range: Period,
    asOf: Instant,
    by: readonly string[],
  ): Map<string, Decimal> {
    const tuples = new Map<string, Counted[]>();
    for (const counted of this.#own(meter, subject)) {
      const tuple = tupleOf(decides(meter, counted.event.time), counted.event, by);
      tuples.set(tuple, [...(tuples.get(tuple) ?? []), counted]);
    }
    return new Map(
      [...tuples].map(([tuple, own]) => [
        tuple,
        quantityOf(decides(meter, range.end - 1), partsOf(meter, own, range, asOf)),
      ]),
    );
  }

  #own(meter: StoredMeter, subject: string): Counted[] {
    return this.events.filter(
      ({ event }) =>
        event.type === meter.eventType &&
        event.subject === subject &&
        event.time >= (meter.versions[0]?.effectiveAt ?? 0) &&
        counts(decides(meter, event.time), event),
    );
  }
}

function partsOf(meter: StoredMeter, own: readonly Counted[], range: Period, asOf: Instant): QuantityParts {
  const inside = own.filter(({ event }) => inRange(range, event.time));
  const values = inside.map(({ event }) => number(event.value));
  const pick = (sign: 1 | -1) =>
    values.reduce<Decimal | undefined>(
      (best, value) => (best && compareDecimals(value, best) !== sign ? best : value),
      undefined,
    );
  const version = decides(meter, range.end - 1);
  switch (meter.aggregation) {
    case 'count':
      return { count: inside.length };
    case 'sum':
    case 'average':
      return { count: inside.length, sum: values.reduce(addDecimals, ZERO) };
    case 'unique':
      return {
        distinct: new Set(inside.map(({ event }) => dimension(event, decides(meter, event.time).property ?? ''))).size,
      };
    case 'max':
    case 'min':
      return { max: pick(1), min: pick(-1) };
    case 'latest': {
      const candidates = own.filter(
        ({ event }) => event.time < range.end && (version.carryOver === true || event.time >= range.start),
      );
      const last = [...candidates]
        .sort((a, b) => a.event.time - b.event.time || compareReceipts(a.receipt, b.receipt))
        .at(-1);
      return { latest: last && number(last.event.value) };
    }
    case 'duration':
      return { seconds: durationOf(own.map(pointOf), range, asOf, version.duration).seconds };
    case 'level':
      return { integral: integral(own, range, asOf) };
  }
}

const kindOf = ({ action, level }: LoggedEvent): PointKind => action ?? (level === undefined ? 'delta' : 'level');

function pointOf({ event, receipt }: Counted): Point {
  const text = event.weight;
  return {
    resource: event.resource ?? '',
    time: event.time,
    receipt,
    kind: kindOf(event),
    series: '',
    ...(text === undefined ? {} : { number: number(text) }),
  };
}

/** Between any two instants at which something happens, the level of each resource is asked for from the beginning. */
function integral(own: readonly Counted[], range: Period, asOf: Instant): Decimal {
  const end = Math.min(range.end, asOf);
  const instants = [...new Set([range.start, end, ...own.map(({ event }) => event.time)])].sort((a, b) => a - b);
  let sum = ZERO;
  for (const resource of new Set(own.map(({ event }) => event.resource ?? ''))) {
    const mine = own.filter(({ event }) => (event.resource ?? '') === resource);
    instants.forEach((since, i) => {
      const until = instants[i + 1];
      if (until === undefined || since < range.start || until > end) return;
      const level = levelAt(mine, since);
      if (level.units > 0n) sum = addDecimals(sum, multiplyDecimals(level, decimal(BigInt(until - since), 3)));
    });
  }
  return sum;
}

function levelAt(mine: readonly Counted[], time: number): Decimal {
  const past = mine.filter(({ event }) => event.time <= time);
  const absolute = past
    .filter(({ event }) => event.level !== undefined)
    .sort((a, b) => a.event.time - b.event.time || compareReceipts(a.receipt, b.receipt))
    .at(-1);
  return past
    .filter(({ event }) => event.level === undefined && event.time >= (absolute?.event.time ?? -Infinity))
    .reduce((level, { event }) => addDecimals(level, number(event.delta)), number(absolute?.event.level));
}
