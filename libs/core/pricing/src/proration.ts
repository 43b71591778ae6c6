import { type Decimal, decimal, divideDecimals, multiplyDecimals } from '@core/money';
import type { Instant, Period } from '@core/time';
import { localTime } from './local-time.js';

/** A part of a whole, as counts: 17 of 30 days. */
export interface Share {
  readonly part: bigint;
  readonly whole: bigint;
}

/**
 * How much of a period is covered. By second the time itself is compared. By day a local day counts for whoever covers
 * its end, so the day of a change goes to what takes over, and spans that adjoin sum to the whole.
 */
export function shareOf(covered: Period, period: Period, by: 'second' | 'day', zone: string): Share {
  const length = (span: Period): bigint =>
    by === 'second' ? BigInt(span.end - span.start) : BigInt(dayOf(span.end, zone) - dayOf(span.start, zone));
  const whole = length(period);
  // A period shorter than a day has no day to count, and is covered by whatever covers it.
  return whole > 0n ? { part: length(covered), whole } : { part: 1n, whole: 1n };
}

/** Local days begun since the epoch. */
const dayOf = (at: Instant, zone: string): number => Math.floor(localTime(at, zone) / 86_400_000);

/**
 * Most shares have no finite decimal. 36 places leave no doubt on which side of a half an amount lies: thirds of an
 * 18-place token, in a period counted in milliseconds, differ from a half by more than the 28th place.
 */
const MONEY_PLACES = 36;
/** The places in which amounts made of such shares are right: those after them are what the shares left. */
export const SURE_PLACES = 30;
/** Of a quantity, such as an allowance: what a quantity on an event may have. */
const QUANTITY_PLACES = 18;

const divided = (value: Decimal, { part, whole }: Share, places: number): Decimal =>
  divideDecimals(multiplyDecimals(value, decimal(part)), decimal(whole), places, 'half-even');

export const shareOfMoney = (value: Decimal, share: Share): Decimal => divided(value, share, MONEY_PLACES);

export const shareOfQuantity = (value: Decimal, share: Share): Decimal => divided(value, share, QUANTITY_PLACES);
