import { type Decimal, ZERO, parseDecimal } from '@core/money';
import { type Instant, instant, parseInstant } from '@core/time';
import type { Aggregation, Meter } from './meter.js';

// What the tests of this lib begin with.

export const exact = (text: string): Decimal => parseDecimal(text) ?? ZERO;

export const at = (text: string): Instant => parseInstant(text) ?? instant(Number.NaN);

/** A meter that hears type `m`. */
export const exampleMeter = (aggregation: Aggregation, rules: Partial<Meter> = {}): Meter => ({
  id: `mtr_${aggregation}`,
  name: `m.${aggregation}`,
  eventType: 'm',
  unit: 'unit',
  aggregation,
  version: 1,
  effectiveAt: instant(0),
  filters: [],
  groupBy: [],
  itemized: false,
  ...(aggregation === 'unique' ? { property: 'user' } : {}),
  ...rules,
});
