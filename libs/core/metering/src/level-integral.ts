import { type Decimal, ZERO, addDecimals, decimal, multiplyDecimals } from '@core/money';
import type { Instant, Period } from '@core/time';
import { type Point, byResource } from './points.js';

/**
 * The integral of the levels over a range in unit-seconds, summed over resources. Each resource holds its level from the
 * event's instant until its next one; the level before the range is carried in, and the last one held to the end of the
 * range, or to `asOf` when that is earlier. At one instant the later received of two absolute levels holds, and then all
 * changes add to it. A level below zero counts as zero: a resource cannot hold less than nothing, so an increase is still
 * to arrive. Points may be given in any order. Exact: time has milliseconds, and nothing is rounded.
 */
export function levelIntegralOf(points: readonly Point[], range: Period, asOf: Instant): Decimal {
  const end = asOf < range.end ? asOf : range.end;
  let total = ZERO;
  for (const own of byResource(points).values()) {
    let level = ZERO;
    for (let i = 0; i < own.length;) {
      const time = own[i]?.time ?? end;
      if (time >= end) break;
      let next = i;
      while (own[next]?.time === time) next += 1;
      level = levelAfter(level, own.slice(i, next));
      const until = Math.min(own[next]?.time ?? end, end);
      const since = Math.max(time, range.start);
      // Milliseconds over a thousand: three more decimal places instead of a division.
      if (until > since && level.units > 0n) {
        total = addDecimals(total, multiplyDecimals(level, decimal(BigInt(until - since), 3)));
      }
      i = next;
    }
  }
  return total;
}

function levelAfter(before: Decimal, atOnce: readonly Point[]): Decimal {
  let absolute = before;
  let changes = ZERO;
  for (const { kind, number = ZERO } of atOnce) {
    if (kind === 'delta') changes = addDecimals(changes, number);
    else absolute = number;
  }
  return addDecimals(absolute, changes);
}
