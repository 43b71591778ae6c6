import { type Decimal, ZERO, addDecimals, decimal, multiplyDecimals } from '@core/money';
import type { Instant, Period } from '@core/time';

/** The absolute level of one resource from an instant on. */
export interface Level {
  readonly resource: string;
  readonly time: Instant;
  /** Order of receipt; of two levels at one instant the later received one holds. */
  readonly receipt: bigint;
  readonly level: Decimal;
}

/**
 * The integral of the levels over a range in unit-seconds, summed over resources. Each resource holds its level from the
 * event's instant until its next one; the level before the range is carried in, and the last one held to the end of the
 * range, or to `asOf` when that is earlier. Levels may be given in any order. Exact: time has milliseconds, and nothing is
 * rounded.
 */
export function levelIntegral(levels: readonly Level[], range: Period, asOf: Instant): Decimal {
  const end = asOf < range.end ? asOf : range.end;
  const inOrder = [...levels].sort(byResourceAndTime);
  return inOrder.reduce((total, point, i) => {
    const next = inOrder[i + 1];
    const until = next?.resource === point.resource && next.time < end ? next.time : end;
    const since = point.time > range.start ? point.time : range.start;
    if (until <= since) return total;
    // Milliseconds over a thousand: three more decimal places instead of a division.
    return addDecimals(total, multiplyDecimals(point.level, decimal(BigInt(until - since), 3)));
  }, ZERO);
}

function byResourceAndTime(a: Level, b: Level): number {
  if (a.resource !== b.resource) return a.resource < b.resource ? -1 : 1;
  if (a.time !== b.time) return a.time - b.time;
  return a.receipt < b.receipt ? -1 : a.receipt > b.receipt ? 1 : 0;
}
