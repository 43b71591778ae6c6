import type { Decimal } from '@core/money';
import type { Period } from '@core/time';
import { type Point, comparePoints } from './points.js';

/**
 * The value that came last in the range, by time and then by receipt. When there is none, a meter that carries over has the
 * last one before the range. Points may be given in any order.
 */
export function latestOf(points: readonly Point[], range: Period, carryOver: boolean): Decimal | undefined {
  let last: Point | undefined;
  for (const point of points) {
    if (point.time >= range.end || (point.time < range.start && !carryOver)) continue;
    if (!last || comparePoints(point, last) > 0) last = point;
  }
  return last?.number;
}
