import { addMs, type Instant } from '@core/time';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Longest wait after the first, second, … failed attempt: ten attempts within three days. */
const WAITS: readonly number[] = [
  10 * SECOND,
  MINUTE,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  6 * HOUR,
  12 * HOUR,
  20 * HOUR,
  31 * HOUR,
];

export const MOST_ATTEMPTS = WAITS.length + 1;

/** A delivery that the pauses of its endpoint kept from its attempts ends after so long all the same. */
export const GIVEN_UP_AFTER_MS = 96 * HOUR;

/** A share of something in thousandths, 0 to 999: what spreads waits, drawn by the caller. */
export type Spread = number;

/** Takes up to a fifth off, so that what failed together does not come back together. */
export const spreadOut = (ms: number, spread: Spread): number => ms - Math.floor((ms * spread) / 5_000);

/** When to try again after so many failed attempts; undefined: never. */
export function nextAttempt(attempts: number, now: Instant, spread: Spread): Instant | undefined {
  const wait = WAITS[attempts - 1];
  return wait === undefined ? undefined : addMs(now, spreadOut(wait, spread));
}
