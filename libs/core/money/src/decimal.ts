import { Fault } from '@core/faults';

/** An exact decimal: `units` / 10^`scale`. Quantities, rates and unrounded money are decimals. */
export interface Decimal {
  readonly units: bigint;
  /** Decimal places, 0 or more. */
  readonly scale: number;
}

/** How a value between two multiples is settled. `half-up` is half away from zero; `half-even` is banker's rounding. */
export type Rounding = 'half-up' | 'half-even' | 'up' | 'down';

export const ZERO: Decimal = { units: 0n, scale: 0 };

const powerOfTen = (exponent: number): bigint => 10n ** BigInt(exponent);

/** The decimal units / 10^scale in lowest terms, so that equal values have equal parts. */
export function decimal(units: bigint, scale = 0): Decimal {
  let value = units;
  let places = scale;
  while (places > 0 && value % 10n === 0n) {
    value /= 10n;
    places -= 1;
  }
  return { units: value, scale: places };
}

const FORM = /^(-?)(0|[1-9]\d{0,59})(?:\.(\d{1,80}))?$/;

/**
 * Reads `-?digits[.digits]` (at most 60 digits before and 80 after the point); undefined for any other text. 80 hold the exact
 * cost of any usage: a quantity's places, the rate's, a discount's and a surcharge's come to 75 at most.
 */
export function parseDecimal(text: string): Decimal | undefined {
  const match = FORM.exec(text);
  if (!match) return undefined;
  const [, sign = '', whole = '0', fraction = ''] = match;
  const magnitude = BigInt(whole + fraction);
  return decimal(sign === '-' ? -magnitude : magnitude, fraction.length);
}

/** Plain notation without exponent, as short as it can be: `12`, `-0.5`. */
export function formatDecimal(value: Decimal): string {
  const { units, scale } = decimal(value.units, value.scale);
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return units < 0n ? `-${text}` : text;
}

function aligned(a: Decimal, b: Decimal): { a: bigint; b: bigint; scale: number } {
  const scale = Math.max(a.scale, b.scale);
  return { a: a.units * powerOfTen(scale - a.scale), b: b.units * powerOfTen(scale - b.scale), scale };
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  const same = aligned(a, b);
  return decimal(same.a + same.b, same.scale);
}

export const negateDecimal = (value: Decimal): Decimal => ({ units: -value.units, scale: value.scale });

export const subtractDecimals = (a: Decimal, b: Decimal): Decimal => addDecimals(a, negateDecimal(b));

export const multiplyDecimals = (a: Decimal, b: Decimal): Decimal => decimal(a.units * b.units, a.scale + b.scale);

export function compareDecimals(a: Decimal, b: Decimal): -1 | 0 | 1 {
  const same = aligned(a, b);
  return same.a < same.b ? -1 : same.a > same.b ? 1 : 0;
}

function settle(quotient: bigint, remainder: bigint, divisor: bigint, rounding: Rounding): bigint {
  if (remainder === 0n) return quotient;
  const twice = remainder * 2n;
  switch (rounding) {
    case 'down':
      return quotient;
    case 'up':
      return quotient + 1n;
    case 'half-up':
      return twice >= divisor ? quotient + 1n : quotient;
    case 'half-even':
      return twice > divisor || (twice === divisor && quotient % 2n === 1n) ? quotient + 1n : quotient;
  }
}

/** Rounds to `places` decimal places; negative places round to tens, hundreds and so on. `up` and `down` go by magnitude. */
export function roundDecimal(value: Decimal, places: number, rounding: Rounding): Decimal {
  if (!Number.isInteger(places)) throw new Fault('invariant_broken', `${places} is not a count of decimal places`);
  if (value.scale <= places) return value;
  const divisor = powerOfTen(value.scale - places);
  const magnitude = value.units < 0n ? -value.units : value.units;
  const rounded = settle(magnitude / divisor, magnitude % divisor, divisor, rounding);
  const signed = value.units < 0n ? -rounded : rounded;
  return places >= 0 ? decimal(signed, places) : decimal(signed * powerOfTen(-places), 0);
}

/**
 * A quotient to `places` decimal places, 0 or more: most quotients have no finite decimal, so the rounding is named.
 * @throws Fault invariant_broken when the divisor is zero.
 */
export function divideDecimals(dividend: Decimal, divisor: Decimal, places: number, rounding: Rounding): Decimal {
  if (divisor.units === 0n || !Number.isInteger(places) || places < 0) {
    throw new Fault('invariant_broken', 'a division needs a divisor other than zero and a count of decimal places');
  }
  const over = magnitudeOf(dividend) * powerOfTen(divisor.scale + places);
  const under = magnitudeOf(divisor) * powerOfTen(dividend.scale);
  const rounded = settle(over / under, over % under, under, rounding);
  return decimal(dividend.units < 0n === divisor.units < 0n ? rounded : -rounded, places);
}

const magnitudeOf = ({ units }: Decimal): bigint => (units < 0n ? -units : units);

/** Money in whole units (for example dollars) as atomic units of an asset with `decimals` places, rounded once. */
export function toAtomic(value: Decimal, decimals: number, rounding: Rounding): bigint {
  const rounded = roundDecimal(value, decimals, rounding);
  return rounded.units * powerOfTen(decimals - rounded.scale);
}

/** Atomic units as a decimal of whole units: 4000 with 6 places is 0.004. */
export const fromAtomic = (atomic: bigint, decimals: number): Decimal => decimal(atomic, decimals);
