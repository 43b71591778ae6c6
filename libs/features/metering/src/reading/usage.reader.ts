import { type DurationFlag, type Meter, type QuantityParts, durationOf, quantityOf } from '@core/metering';
import { Fault } from '@core/faults';
import { type Decimal, ZERO } from '@core/money';
import type { PriceTerms, RatedUsage } from '@core/pricing';
import { type Instant, type Period, addMs, formatInstant, instant, overlap, zonedWindowsOf } from '@core/time';
import type { Tx } from '@platform/database';
import { QUARTER_MS, type Spans, cellSums, countedValues, isCellBound } from './cell-usage.js';
import { groupedParts } from './grouped-usage.js';
import { type StoredMeter, toldBy } from '../meters/meter.reader.js';
import { minuteParts } from './minute-usage.js';
import { levelPoints, pointsAfter, runPoints } from './point-usage.js';
import { levelSegments } from './point-segments.js';
import { partsOf } from './usage-parts.js';

export interface UsageQuery {
  /** `acct_…` */
  readonly account: string;
  readonly meter: StoredMeter;
  readonly range: Period;
  /** Now: an open level or run counts up to here. */
  readonly asOf: Instant;
  /** Leaves out usage that was sold through the gate, which is paid already. */
  readonly unsoldOnly?: boolean;
}

/** Sizes of windows. */
export const USAGE_WINDOWS = ['minute', 'hour', 'day', 'month'] as const;
type UsageWindowSize = (typeof USAGE_WINDOWS)[number];

interface UsageWindow {
  readonly period: Period;
  /** In the unit of the meter's quantities. */
  readonly quantity: Decimal;
}

interface UsageGroup {
  /** null where events lacked the dimension. */
  readonly dimensions: Readonly<Record<string, string | null>>;
  readonly quantity: Decimal;
}

/** Most windows one query may ask for. */
const MOST_WINDOWS = 2_000;

const SHORTEST_MS: Record<UsageWindowSize, number> = {
  minute: 60_000,
  hour: 3_600_000,
  day: 23 * 3_600_000,
  month: 28 * 86_400_000,
};

const POINT_METERS: readonly string[] = ['latest', 'duration', 'level'];
/** Whether quantities come from points, and so may be asked for any instant. */
const isPointMeter = ({ aggregation }: Pick<Meter, 'aggregation'>): boolean => POINT_METERS.includes(aggregation);

/**
 * Quantities from derived rows, exact, in one or two statements whatever the number of events. The conversion and rounding of
 * the version in force at the end of a span hold for all of it. Usage sold is added as it was sold.
 *
 * Spans of meters that are counted in cells begin and end on a quarter of an hour (UTC) or where a price or definition changes;
 * an end in the quarter under way, or later, means the end of what is stored. Sold usage of other meters is placed by its quarter.
 */
export class UsageReader {
  /** One quantity for each period, 0 where there is none. */
  async quantities(tx: Tx, query: UsageQuery, periods: readonly Period[]): Promise<Decimal[]> {
    return this.#quantitiesOf(
      tx,
      query,
      periods.map((period) => [period]),
    );
  }

  /** The quantity of the range; 0 where there is none. */
  async total(tx: Tx, query: UsageQuery): Promise<Decimal> {
    const [quantity] = await this.quantities(tx, query, [query.range]);
    return quantity ?? ZERO;
  }

  /**
   * The quantities of the windows of a range in an IANA zone (UTC when none is given), in order, empty ones as 0. The first and
   * the last are cut to the range. Minutes of meters that are counted in cells are counted from the log.
   * @throws Fault invalid_request (`too_many_windows`, `unaligned_range`)
   */
  async windows(
    tx: Tx,
    query: UsageQuery & { readonly window: UsageWindowSize; readonly zone?: string | undefined },
  ): Promise<UsageWindow[]> {
    const { range, window, zone = 'UTC', meter } = query;
    if ((range.end - range.start) / SHORTEST_MS[window] > MOST_WINDOWS) {
      throw new Fault(
        'invalid_request',
        `That is more than ${MOST_WINDOWS} windows: ask for a shorter range or larger windows.`,
        { reason: 'too_many_windows' },
      );
    }
    const periods = zonedWindowsOf(range, window, zone).flatMap((each) => overlap(each, range) ?? []);
    const quantities =
      window === 'minute' && !isPointMeter(meter)
        ? (await minuteParts(tx, query, periods)).map((parts, i) => quantityAt(meter, periods[i], parts))
        : await this.quantities(tx, query, periods);
    return periods.map((period, i) => ({ period, quantity: quantities[i] ?? ZERO }));
  }

  /**
   * The quantity of each tuple of the dimensions in `by`, which are among those the meter groups by. In order of the tuple.
   * @throws Fault invalid_request (`not_grouped`) for another dimension
   */
  async groups(tx: Tx, query: UsageQuery & { readonly by: readonly string[] }): Promise<UsageGroup[]> {
    const { meter, range, by } = query;
    const strange = by.find((name) => !meter.versions.some(({ groupBy }) => groupBy.includes(name)));
    if (strange !== undefined) {
      throw new Fault(
        'invalid_request',
        `The meter "${meter.name}" does not group by "${strange}"${meter.groupBy.length > 0 ? ` but by ${meter.groupBy.join(', ')}` : ''}. A new version of it may.`,
        { reason: 'not_grouped' },
      );
    }
    checkAligned(query, [range]);
    const groups = await groupedParts(tx, query, by);
    return groups.map(({ dimensions, parts }) => ({ dimensions, quantity: quantityAt(meter, range, parts) }));
  }

  /** What the terms of a price need to know of usage that was not sold. */
  async rated(
    tx: Tx,
    query: UsageQuery & { readonly terms: Pick<PriceTerms, 'needs' | 'groupBy' | 'clock'> },
  ): Promise<RatedUsage> {
    const { meter, range, terms } = query;
    const unsold = { ...query, unsoldOnly: true };
    checkAligned(unsold, [range]);
    const [parts] = await partsOf(tx, unsold, [[range]]);
    const needs = (need: PriceTerms['needs'][number]) => terms.needs.includes(need);
    return {
      quantity: quantityAt(meter, range, parts ?? {}),
      ...(needs('values') ? { values: await countedValues(tx, query, range) } : {}),
      ...(needs('cost') ? { cost: (await cellSums(tx, query, [[range]], false))[0]?.cost ?? ZERO } : {}),
      ...(needs('groups') ? { groups: await this.#ratedGroups(tx, unsold, terms.groupBy) } : {}),
      ...(needs('hours') && terms.clock ? { buckets: await this.#buckets(tx, unsold, terms.clock) } : {}),
    };
  }

  /** Whether usage goes on without further events: a level above zero or an open run at `asOf`, or a point still to come. */
  async accrues(tx: Tx, query: Pick<UsageQuery, 'account' | 'meter' | 'asOf'>): Promise<boolean> {
    const { meter, asOf } = query;
    if (meter.aggregation !== 'level' && meter.aggregation !== 'duration') return false;
    const next = { start: asOf, end: addMs(asOf, 1) };
    if (await pointsAfter(tx, query, asOf)) return true;
    if (meter.aggregation === 'level') return levelSegments(await levelPoints(tx, query, next), next.end).length > 0;
    const { seconds } = durationOf(await runPoints(tx, query, next), next, next.end, rulesAt(meter, asOf));
    return seconds.units > 0n;
  }

  /** What is odd in the starts and stops of a duration meter. */
  async flags(tx: Tx, query: UsageQuery): Promise<readonly DurationFlag[]> {
    const { meter, range, asOf } = query;
    if (meter.aggregation !== 'duration') return [];
    return durationOf(await runPoints(tx, query, range), range, asOf, rulesAt(meter, range.end)).flags;
  }

  async #quantitiesOf(tx: Tx, query: UsageQuery, spans: readonly Spans[]): Promise<Decimal[]> {
    if (spans.length === 0) return [];
    checkAligned(query, spans.flat());
    const parts = await partsOf(tx, query, spans);
    return spans.map((periods, i) => quantityAt(query.meter, periods.at(-1), parts[i] ?? {}));
  }

  async #ratedGroups(tx: Tx, query: UsageQuery, by: readonly string[]): Promise<NonNullable<RatedUsage['groups']>> {
    const groups = await this.groups(tx, { ...query, by });
    return groups.map(({ dimensions, quantity }) => ({
      quantity,
      dimensions: Object.fromEntries(
        Object.entries(dimensions).flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
      ),
    }));
  }

  async #buckets(tx: Tx, query: UsageQuery, clock: NonNullable<PriceTerms['clock']>): Promise<Record<string, Decimal>> {
    const buckets = new Map<string, Period[]>();
    for (const { bucket, period } of clock.bucketsOf(query.range)) {
      const own = buckets.get(bucket);
      if (own) own.push(period);
      else buckets.set(bucket, [period]);
    }
    const quantities = await this.#quantitiesOf(tx, query, [...buckets.values()]);
    return Object.fromEntries([...buckets.keys()].map((bucket, i) => [bucket, quantities[i] ?? ZERO]));
  }
}

const quantityAt = (meter: StoredMeter, period: Period | undefined, parts: QuantityParts): Decimal =>
  quantityOf(toldBy(meter, (period?.end ?? 0) - 1), parts);

const rulesAt = (meter: StoredMeter, at: number): Meter['duration'] => toldBy(meter, at - 1).duration;

/** @throws Fault invalid_request (`unaligned_range`) when a bound lies inside a cell */
function checkAligned({ meter, asOf }: UsageQuery, periods: readonly Period[]): void {
  if (isPointMeter(meter)) return;
  const current = Math.floor(asOf / QUARTER_MS) * QUARTER_MS;
  for (const { start, end } of periods) {
    if (!isCellBound(meter, start)) throw unaligned(meter, start);
    if (end <= current && !isCellBound(meter, end)) throw unaligned(meter, end);
  }
}

function unaligned(meter: StoredMeter, at: Instant): Fault {
  const before = Math.floor(at / QUARTER_MS) * QUARTER_MS;
  const bounds = [before, before + QUARTER_MS, ...meter.cuts];
  const lower = formatInstant(instant(Math.max(...bounds.filter((bound) => bound <= at))));
  const upper = formatInstant(instant(Math.min(...bounds.filter((bound) => bound > at))));
  return new Fault(
    'invalid_request',
    `Usage of "${meter.name}" is counted by the quarter of an hour, so that ${formatInstant(at)} cannot bound a range. The nearest instants that can are ${lower} and ${upper}.`,
    { reason: 'unaligned_range', details: { nearest: [lower, upper] } },
  );
}
