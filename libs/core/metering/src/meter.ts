/** How a meter turns events into a quantity. */
export const AGGREGATIONS = ['count', 'sum', 'level'] as const;

/**
 * count: how many events · sum: the sum of their values · level: the integral of a level over time, so that 5 bytes held
 * for 3 seconds are 15 byte-seconds.
 */
export type Aggregation = (typeof AGGREGATIONS)[number];

/** A definition that turns events into a quantity. */
export interface Meter {
  /** `mtr_…` */
  readonly id: string;
  /** Unique for its provider; the `type` of its events. */
  readonly name: string;
  readonly aggregation: Aggregation;
  /** What one event, value or level counts, e.g. `call`, `second`, `byte`. */
  readonly unit: string;
  readonly description?: string;
}

/** The unit of the meter's quantities: a level meter integrates over time, so bytes become byte-seconds. */
export const quantityUnit = (meter: Pick<Meter, 'aggregation' | 'unit'>): string =>
  meter.aggregation === 'level' ? `${meter.unit}-second` : meter.unit;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$/;
const UNIT = /^[A-Za-z][A-Za-z0-9_ -]{0,31}$/;

/** What is wrong with a meter's definition, in a sentence for whoever wrote it; undefined when nothing is. */
export function meterProblem(meter: Pick<Meter, 'name' | 'unit' | 'description'>): string | undefined {
  if (!NAME.test(meter.name)) {
    return 'A meter is named with 1 to 128 letters, digits and the marks _ . : / - and begins with a letter or a digit, e.g. api.calls.';
  }
  if (!UNIT.test(meter.unit)) {
    return 'A unit is a word of at most 32 letters and digits that begins with a letter, e.g. call, second, byte.';
  }
  if ((meter.description ?? '').length > 500) return 'A description has at most 500 characters.';
  return undefined;
}
