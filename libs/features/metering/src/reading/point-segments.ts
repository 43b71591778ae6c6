import { type DurationRules, type Point, compareReceipts } from '@core/metering';
import { type Decimal, ZERO, addDecimals, decimal, multiplyDecimals } from '@core/money';
import type { Instant, Period } from '@core/time';

/** A level that holds over a time, in the series of the point it comes from. */
interface LevelSegment {
  readonly series: string;
  readonly since: number;
  readonly until: number;
  readonly level: Decimal;
}

/**
 * The levels above zero, resource by resource, up to an instant. The rule is that of `levelIntegralOf` in core: at one instant
 * the later received absolute level holds and then all changes add to it.
 */
export function levelSegments(points: readonly Point[], end: number): LevelSegment[] {
  const segments: LevelSegment[] = [];
  for (const own of inOrder(points).values()) {
    let level = ZERO;
    for (let i = 0; i < own.length;) {
      const since = own[i]?.time ?? end;
      let changes = ZERO;
      let series = '';
      let next = i;
      for (let point = own[i]; point?.time === since; point = own[next]) {
        const { kind, number = ZERO } = point;
        if (kind === 'delta') changes = addDecimals(changes, number);
        else level = number;
        series = point.series;
        next += 1;
      }
      level = addDecimals(level, changes);
      const until = Math.min(own[next]?.time ?? end, end);
      if (until > since && level.units > 0n) segments.push({ series, since, until, level });
      i = next;
    }
  }
  return segments;
}

/** The integrals of levels over each of the spans, in unit-seconds. */
export function integralsOver(
  segments: readonly LevelSegment[],
  spans: readonly (readonly Period[])[],
  asOf: Instant,
): Decimal[] {
  // Sorted by beginning, the periods a segment touches lie together, and a search finds the first.
  const periods = spans
    .flatMap((own, of) => own.map(({ start, end }) => ({ of, start, end: Math.min(end, asOf) })))
    .sort((a, b) => a.start - b.start);
  const sums = spans.map(() => ZERO);
  for (const { since, until, level } of segments) {
    for (let i = firstReaching(periods, since); i < periods.length; i += 1) {
      const period = periods[i];
      if (!period || period.start >= until) break;
      const ms = Math.min(until, period.end) - Math.max(since, period.start);
      if (ms <= 0) continue;
      // Milliseconds over a thousand: three more decimal places instead of a division.
      sums[period.of] = addDecimals(sums[period.of] ?? ZERO, multiplyDecimals(level, decimal(BigInt(ms), 3)));
    }
  }
  return sums;
}

/** Index of the first period that may end after an instant. Periods do not overlap. */
function firstReaching(periods: readonly { readonly end: number }[], since: number): number {
  let [low, high] = [0, periods.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((periods[middle]?.end ?? 0) <= since) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Points of runs with the series of the start that began each run: what comes after it need not repeat the dimensions. A run
 * that gave no sign of life for longer than the limit has ended.
 */
export function runsBySeries(points: readonly Point[], rules: DurationRules | undefined): Point[] {
  const limit = rules?.heartbeatLimitSeconds;
  const limitMs = limit ? Number((limit.units * 1000n) / 10n ** BigInt(limit.scale)) : Infinity;
  const result: Point[] = [];
  for (const own of inOrder(points).values()) {
    let series: string | undefined;
    let alive = 0;
    for (const point of own) {
      if (series !== undefined && point.time > alive + limitMs) series = undefined;
      if (point.kind === 'start') series ??= point.series;
      if (series !== undefined) alive = point.time;
      result.push({ ...point, series: series ?? point.series });
      if (point.kind === 'stop') series = undefined;
    }
  }
  return result;
}

function inOrder(points: readonly Point[]): Map<string, Point[]> {
  const resources = new Map<string, Point[]>();
  for (const point of points) {
    const own = resources.get(point.resource);
    if (own) own.push(point);
    else resources.set(point.resource, [point]);
  }
  for (const own of resources.values()) {
    own.sort((a, b) => a.time - b.time || compareReceipts(a.receipt, b.receipt));
  }
  return resources;
}
