import { InvalidRecordError } from './errors.js';

/** An exact quantity: a plain decimal such as "1.25", a bigint, or a number that is a safe integer. */
export type Quantity = string | bigint | number;

const PLAIN_DECIMAL = /^-?\d+(?:\.\d+)?$/;

/** @throws InvalidRecordError for anything that is not exact: 0.1 + 0.2, "1e3", NaN. */
export function exactQuantity(name: string, quantity: Quantity): string {
  const isExact = typeof quantity === 'number' ? Number.isSafeInteger(quantity) : PLAIN_DECIMAL.test(String(quantity));
  if (isExact) return String(quantity);
  throw new InvalidRecordError(
    `${name} is ${String(quantity).slice(0, 64)}; give a plain decimal as a string ("1.25"), a bigint, or an integer.`,
  );
}

/** Milliseconds of the monotonic clock as exact seconds, in whole microseconds; the rest is let go: in doubt, bill less. */
export function secondsBetween(startMs: number, endMs: number): string {
  const micros = Math.max(0, Math.floor((endMs - startMs) * 1000));
  const digits = String(micros).padStart(7, '0');
  const fraction = digits.slice(-6).replace(/0+$/, '');
  return fraction === '' ? digits.slice(0, -6) : `${digits.slice(0, -6)}.${fraction}`;
}
