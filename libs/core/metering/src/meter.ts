import type { Decimal } from '@core/money';
import type { Instant } from '@core/time';

/** How a meter turns events into a quantity. */
export const AGGREGATIONS = ['count', 'sum', 'unique', 'max', 'min', 'average', 'latest', 'duration', 'level'] as const;

/**
 * count: how many events · sum, max, min, average: over their values · unique: how many distinct values of a dimension ·
 * latest: the value that came last · duration: seconds between start and stop, times a weight · level: the integral of a
 * level over time, so that 5 bytes held for 3 seconds are 15 byte-seconds.
 */
export type Aggregation = (typeof AGGREGATIONS)[number];

/** A condition on one dimension; every one that is given must hold. A missing dimension is in no list. */
export interface MeterFilter {
  readonly dimension: string;
  readonly in?: readonly string[];
  readonly notIn?: readonly string[];
  readonly exists?: boolean;
}

/** What of a meter is kept as JSON with each of its versions. */
export interface MeterRules {
  /** unique: the dimension whose distinct values are counted. Events without it do not count. */
  readonly property?: string;
  /** Conditions an event must all meet to count. */
  readonly filters: readonly MeterFilter[];
  /** Dimensions whose values split the quantity into series. */
  readonly groupBy: readonly string[];
  /** Whether every value is kept with how often it occurred, as prices with a bound per event need. */
  readonly itemized: boolean;
  /** The quantity divided by a number and named by another unit, e.g. byte-seconds / 3600e9 are GB-hours. */
  readonly conversion?: { readonly divideBy: Decimal; readonly unit: string };
  /** The one rounding, after conversion. Negative places round to tens, hundreds and so on. */
  readonly rounding?: QuantityRounding;
  /** latest: whether a range without a value has the last one before it. */
  readonly carryOver?: boolean;
  readonly duration?: DurationRules;
  /** Ceilings in the unit of the events: what exceeds them is quarantined. */
  readonly limits?: { readonly perEvent?: Decimal; readonly perHour?: Decimal };
}

export interface QuantityRounding {
  /** `nearest` settles a half away from zero; `up` and `down` go by magnitude. */
  readonly mode: 'up' | 'down' | 'nearest';
  readonly places: number;
}

/** Seconds, each with at most three decimal places. */
export interface DurationRules {
  /** Every run counts at least this long. */
  readonly minimumSeconds?: Decimal;
  /** Every run counts as a multiple of this, rounded up. */
  readonly incrementSeconds?: Decimal;
  /** A run without a sign of life for this long has ended then. */
  readonly heartbeatLimitSeconds?: Decimal;
}

/** One version of a definition that turns events into a quantity. */
export interface Meter extends MeterRules {
  /** `mtr_…`; the same for all versions. */
  readonly id: string;
  /** Unique for its provider. */
  readonly name: string;
  /** The `type` of the events it hears; its name unless defined otherwise. */
  readonly eventType: string;
  /** What one event, value or level counts, e.g. `call`, `second`, `byte`. */
  readonly unit: string;
  readonly aggregation: Aggregation;
  /** 1, 2, 3 … */
  readonly version: number;
  /** From when this version decides, by time of use. The first version of the first meter of a type holds from the epoch. */
  readonly effectiveAt: Instant;
  readonly description?: string;
}

/** The unit of what a meter measures, before conversion: levels and runs are integrated over time, so bytes become byte-seconds. */
const measuredUnit = (meter: Pick<Meter, 'aggregation' | 'unit'>): string => {
  const overTime = meter.aggregation === 'level' || meter.aggregation === 'duration';
  const inSeconds = meter.aggregation === 'duration' && /(?:^|-)seconds?$/.test(meter.unit);
  return overTime && !inSeconds ? `${meter.unit}-second` : meter.unit;
};

/** The unit of the meter's quantities. */
export const quantityUnit = (meter: Pick<Meter, 'aggregation' | 'unit' | 'conversion'>): string =>
  meter.conversion?.unit ?? measuredUnit(meter);

/** The version that decides at an instant; versions in order of `effectiveAt`. Before the first one the meter hears nothing. */
export function versionAt<M extends Pick<Meter, 'effectiveAt'>>(versions: readonly M[], at: number): M | undefined {
  let i = versions.length - 1;
  while (i >= 0 && (versions[i]?.effectiveAt ?? 0) > at) i -= 1;
  return versions[i];
}

/** Of meters given in any of their versions, the one version of each that decides at an instant, where there is one. */
export function metersAt(versions: readonly Meter[], at: number): readonly Meter[] {
  const byMeter = new Map<string, Meter>();
  for (const meter of versions) {
    const other = byMeter.get(meter.id);
    if (meter.effectiveAt <= at && (!other || meter.effectiveAt > other.effectiveAt)) byMeter.set(meter.id, meter);
  }
  return [...byMeter.values()];
}
