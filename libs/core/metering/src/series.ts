import type { Meter, MeterFilter } from './meter.js';
import type { Action } from './usage-event.js';

type Dimensions = Readonly<Record<string, string>>;

/** Dimension names come from senders: only what an object has itself is a dimension, not what it inherits. */
export const dimensionOf = (dimensions: Dimensions | undefined, name: string): string | undefined =>
  dimensions !== undefined && Object.hasOwn(dimensions, name) ? dimensions[name] : undefined;

/** Which series of a meter an event belongs to: '' when it groups by nothing, else a JSON array of the values, null for a missing one. */
export const seriesOf = (groupBy: readonly string[], dimensions: Dimensions | undefined): string =>
  groupBy.length === 0 ? '' : JSON.stringify(groupBy.map((name) => dimensionOf(dimensions, name) ?? null));

/** The dimensions behind a series, missing ones left out. */
export function readSeries(groupBy: readonly string[], series: string): Dimensions {
  if (series === '') return {};
  const values: unknown = JSON.parse(series);
  if (!Array.isArray(values)) return {};
  return Object.fromEntries(
    groupBy.flatMap((name, i) => {
      const value: unknown = values[i];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

function meets(filter: MeterFilter, dimensions: Dimensions | undefined): boolean {
  const value = dimensionOf(dimensions, filter.dimension);
  if (filter.exists !== undefined && filter.exists !== (value !== undefined)) return false;
  if (filter.in && (value === undefined || !filter.in.includes(value))) return false;
  return !(filter.notIn && value !== undefined && filter.notIn.includes(value));
}

/**
 * Whether an event with these dimensions meets every filter of the meter. What follows the start of a run need not repeat its
 * dimensions: a filter on one it leaves out is met, since a stop that is not heard would leave the run open for ever.
 */
export function passesFilters(
  meter: Pick<Meter, 'filters' | 'aggregation'>,
  dimensions: Dimensions | undefined,
  action?: Action | null,
): boolean {
  const follows = meter.aggregation === 'duration' && (action ?? 'start') !== 'start';
  return meter.filters.every(
    (filter) => meets(filter, dimensions) || (follows && dimensionOf(dimensions, filter.dimension) === undefined),
  );
}
