import { type Decimal, ZERO, addDecimals, decimal } from '@core/money';
import type { Meter, QuantityRounding } from './meter.js';

/** What was counted of a range; a meter reads the parts its aggregation needs. */
export interface QuantityParts {
  /** count, average: events. */
  readonly count?: bigint | number;
  /** sum, average. */
  readonly sum?: Decimal;
  /** unique: distinct values. */
  readonly distinct?: bigint | number;
  readonly max?: Decimal | undefined;
  readonly min?: Decimal | undefined;
  readonly latest?: Decimal | undefined;
  /** duration: weighted seconds. */
  readonly seconds?: Decimal;
  /** level: unit-seconds. */
  readonly integral?: Decimal;
  /** Sold through the gate: already a quantity, added as it is. */
  readonly sold?: Decimal;
}

/** An exact value that a decimal may not hold, such as a third; the denominator is above zero. */
interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

/** Where a division would go on for ever and the meter says nothing else. */
const DIVIDED: QuantityRounding = { mode: 'nearest', places: 18 };

/**
 * The quantity of a range: aggregated, converted, and rounded once; then what was sold is added. Undefined where there is none:
 * max, min, average or latest of nothing.
 */
export function measuredQuantity(
  meter: Pick<Meter, 'aggregation' | 'conversion' | 'rounding'>,
  parts: QuantityParts,
): Decimal | undefined {
  const measured = measuredOf(meter.aggregation, parts);
  const sold = parts.sold && parts.sold.units !== 0n ? parts.sold : undefined;
  if (!measured) return sold;
  const { conversion } = meter;
  const converted = conversion ? divided(measured, conversion.divideBy) : measured;
  const rounding = meter.rounding ?? (conversion || meter.aggregation === 'average' ? DIVIDED : undefined);
  const quantity = rounding ? rounded(converted, rounding) : decimal(measured.over, placesOfTen(measured.under));
  return sold ? addDecimals(quantity, sold) : quantity;
}

/** The quantity that is billed: what there is none of is 0. */
export const quantityOf = (
  meter: Pick<Meter, 'aggregation' | 'conversion' | 'rounding'>,
  parts: QuantityParts,
): Decimal => measuredQuantity(meter, parts) ?? ZERO;

function measuredOf(aggregation: Meter['aggregation'], parts: QuantityParts): Fraction | undefined {
  switch (aggregation) {
    case 'count':
      return { over: BigInt(parts.count ?? 0), under: 1n };
    case 'unique':
      return { over: BigInt(parts.distinct ?? 0), under: 1n };
    case 'sum':
      return fraction(parts.sum ?? ZERO);
    case 'duration':
      return fraction(parts.seconds ?? ZERO);
    case 'level':
      return fraction(parts.integral ?? ZERO);
    case 'average': {
      const count = BigInt(parts.count ?? 0);
      const sum = fraction(parts.sum ?? ZERO);
      return count > 0n ? { over: sum.over, under: sum.under * count } : undefined;
    }
    case 'max':
    case 'min':
    case 'latest': {
      const value = parts[aggregation];
      return value && fraction(value);
    }
  }
}

const fraction = ({ units, scale }: Decimal): Fraction => ({ over: units, under: 10n ** BigInt(scale) });

const divided = ({ over, under }: Fraction, by: Decimal): Fraction => ({
  over: over * 10n ** BigInt(by.scale),
  under: under * by.units,
});

const placesOfTen = (power: bigint): number => power.toString().length - 1;

function rounded({ over, under }: Fraction, { mode, places }: QuantityRounding): Decimal {
  const [up, down] = places >= 0 ? [10n ** BigInt(places), 1n] : [1n, 10n ** BigInt(-places)];
  const magnitude = (over < 0n ? -over : over) * up;
  const divisor = under * down;
  const quotient = magnitude / divisor;
  const rest = magnitude % divisor;
  const more = mode === 'up' ? rest > 0n : mode === 'nearest' && rest * 2n >= divisor;
  const units = (more ? quotient + 1n : quotient) * (over < 0n ? -1n : 1n);
  return places >= 0 ? decimal(units, places) : decimal(units * down);
}
