import { type QuantityParts, durationOf, readSeries } from '@core/metering';
import { type Decimal, ZERO, addDecimals, compareDecimals } from '@core/money';
import type { Period } from '@core/time';
import type { Tx } from '@platform/database';
import { type Spans, cellSums, valuePairs, valueSums } from './cell-usage.js';
import { type StoredMeter, toldBy } from '../meters/meter.reader.js';
import { lastValuesBySeries, levelPoints, runPoints } from './point-usage.js';
import { integralsOver, levelSegments, runsBySeries } from './point-segments.js';
import type { PartsQuery } from './usage-parts.js';

interface GroupedParts {
  readonly dimensions: Readonly<Record<string, string | null>>;
  readonly parts: QuantityParts;
}

/** The part of a range in which one version of a meter decides, and so what the values of a series stand for. */
interface VersionSpan {
  readonly period: Period;
  readonly groupBy: readonly string[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Gathered = Mutable<QuantityParts> & {
  values?: Set<string>;
  last?: { time: number; position: bigint; ordinal: number };
};

/** What the meter's quantity is made of, for each tuple of some of the dimensions it groups by. */
export async function groupedParts(
  tx: Tx,
  query: PartsQuery & { readonly range: Period },
  by: readonly string[],
): Promise<GroupedParts[]> {
  const { meter, unsoldOnly } = query;
  const versions = versionSpans(meter, query.range);
  const spans = versions.map(({ period }): Spans => [period]);
  const groups = new Groups(by, versions);
  const counted = meter.aggregation === 'count' || meter.aggregation === 'sum' || meter.aggregation === 'average';
  if (counted || !unsoldOnly) {
    for (const { of, series, count, sum, sold } of await cellSums(tx, query, spans, true)) {
      // A series of nothing but usage sold is none where what was sold is left out.
      const isUsed = (counted && count !== 0n) || (!unsoldOnly && sold.units !== 0n);
      const group = groups.at(of, series, isUsed);
      if (!group) continue;
      if (counted) {
        group.count = BigInt(group.count ?? 0n) + count;
        group.sum = addDecimals(group.sum ?? ZERO, sum);
      }
      if (!unsoldOnly) group.sold = addDecimals(group.sold ?? ZERO, sold);
    }
  }
  if (!counted) await gather(tx, query, spans, groups);
  return groups.all();
}

async function gather(
  tx: Tx,
  query: PartsQuery & { readonly range: Period },
  spans: readonly Spans[],
  groups: Groups,
): Promise<void> {
  const { meter, range, asOf } = query;
  switch (meter.aggregation) {
    case 'unique':
      for (const { of, series, value } of await valuePairs(tx, query, spans)) {
        const group = groups.at(of, series);
        if (group) group.distinct = (group.values ??= new Set()).add(value).size;
      }
      return;
    case 'level':
      for (const segment of levelSegments(await levelPoints(tx, query, range), Math.min(range.end, asOf))) {
        const group = groups.atTime(segment.since, segment.series);
        const [integral] = integralsOver([segment], [[range]], asOf);
        if (group) group.integral = addDecimals(group.integral ?? ZERO, integral ?? ZERO);
      }
      return;
    case 'duration': {
      const rules = toldBy(meter, range.end - 1).duration;
      const points = runsBySeries(await runPoints(tx, query, range), rules);
      const bySeries = new Map<string, typeof points>();
      for (const point of points) bySeries.set(point.series, [...(bySeries.get(point.series) ?? []), point]);
      for (const [series, own] of bySeries) {
        const { seconds } = durationOf(own, range, asOf, rules);
        const group = seconds.units === 0n ? undefined : groups.atTime(own[0]?.time ?? range.start, series);
        if (group) group.seconds = addDecimals(group.seconds ?? ZERO, seconds);
      }
      return;
    }
    case 'latest': {
      const carried = toldBy(meter, range.end - 1).carryOver === true;
      for (const { of, point } of await lastValuesBySeries(tx, query, spans, carried)) {
        const group = groups.at(of, point.series);
        if (!group) continue;
        const { position, ordinal } = point.receipt;
        const own = { time: point.time, position, ordinal };
        if (group.last && !isLater(own, group.last)) continue;
        group.last = own;
        group.latest = point.number;
      }
      return;
    }
    case 'max':
    case 'min':
      for (const { of, series, max, min } of await valueSums(tx, query, spans, true)) {
        const group = groups.at(of, series);
        if (!group) continue;
        group.max = further(group.max, max, 1);
        group.min = further(group.min, min, -1);
      }
      return;
    case 'count':
    case 'sum':
    case 'average':
      return;
  }
}

const isLater = (a: NonNullable<Gathered['last']>, b: NonNullable<Gathered['last']>): boolean =>
  a.time !== b.time ? a.time > b.time : a.position !== b.position ? a.position > b.position : a.ordinal > b.ordinal;

const further = (a: Decimal | undefined, b: Decimal | undefined, sign: 1 | -1): Decimal | undefined =>
  a === undefined || (b !== undefined && compareDecimals(b, a) === sign) ? b : a;

function versionSpans(meter: StoredMeter, range: Period): VersionSpan[] {
  const changes = meter.versions.slice(1).map(({ effectiveAt }) => effectiveAt);
  const bounds = [range.start, ...changes.filter((at) => at > range.start && at < range.end), range.end];
  return bounds.slice(0, -1).flatMap((start, i) => {
    const end = bounds[i + 1];
    return end === undefined || end <= start ? [] : [{ period: { start, end }, groupBy: toldBy(meter, start).groupBy }];
  });
}

/** Tuples as they are found, in order of their values. */
class Groups {
  readonly #groups = new Map<string, { dimensions: Record<string, string | null>; parts: Gathered }>();

  constructor(
    private readonly by: readonly string[],
    private readonly versions: readonly VersionSpan[],
  ) {}

  /** The tuple that a series stands for in a version's span. */
  at(of: number, series: string, wanted = true): Gathered | undefined {
    const version = this.versions[of];
    if (!version || !wanted) return undefined;
    const values = readSeries(version.groupBy, series);
    const tuple = this.by.map((name) => (Object.hasOwn(values, name) ? (values[name] ?? null) : null));
    const key = JSON.stringify(tuple);
    const known = this.#groups.get(key);
    if (known) return known.parts;
    const parts: Gathered = {};
    this.#groups.set(key, {
      dimensions: Object.fromEntries(this.by.map((name, i) => [name, tuple[i] ?? null])),
      parts,
    });
    return parts;
  }

  /** The same for a series that began at a time, which may lie before the range. */
  atTime(time: number, series: string): Gathered | undefined {
    const later = this.versions.findIndex(({ period }) => time < period.end);
    return this.at(later < 0 ? this.versions.length - 1 : later, series);
  }

  all(): GroupedParts[] {
    return [...this.#groups.entries()]
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(
        ([
          ,
          {
            dimensions,
            parts: { values: _values, last: _last, ...parts },
          },
        ]) => ({ dimensions, parts }),
      );
  }
}
