import { type Decimal, parseDecimal } from '@core/money';

/** Limits of numbers on events, after trailing zeros. */
export const MOST_DIGITS = 38;
export const MOST_PLACES = 18;

const LIMIT = 10n ** BigInt(MOST_DIGITS);

/** A number as an event may carry it, of either sign; undefined when the text is none or has too many digits. */
export function readNumber(text: string): Decimal | undefined {
  const value = parseDecimal(text);
  if (!value || value.scale > MOST_PLACES) return undefined;
  return value.units < LIMIT && value.units > -LIMIT ? value : undefined;
}

/** A number of zero or more. */
export function readQuantity(text: string): Decimal | undefined {
  const value = readNumber(text);
  return value && value.units >= 0n ? value : undefined;
}

const ZERO_CODE = 48;
const POINT_CODE = 46;
const SHORT = 15;

/**
 * The plain decimals of at most 15 digits that are zero or more, in one pass: units and places packed as `units * 16 + places`,
 * which is less than 2^54 and so split again exactly by {@link placesOf}. -1 for any other text, which `readNumber` decides.
 */
export function readShort(text: string): number {
  const { length } = text;
  if (length === 0 || length > SHORT) return -1;
  let units = 0;
  let point = -1;
  for (let i = 0; i < length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === POINT_CODE && point < 0 && i > 0 && i < length - 1) point = i;
    else if (code >= ZERO_CODE && code <= ZERO_CODE + 9) units = units * 10 + (code - ZERO_CODE);
    else return -1;
  }
  const whole = point < 0 ? length : point;
  if (whole > 1 && text.charCodeAt(0) === ZERO_CODE) return -1;
  return units * 16 + (point < 0 ? 0 : length - 1 - point);
}

/** Places of a number read by {@link readShort}. */
export const placesOf = (packed: number): number => packed % 16;

/** Units of a number read by {@link readShort}. */
export const unitsOf = (packed: number): number => (packed - (packed % 16)) / 16;
