import { type Instant, type Period, instant } from '@core/time';
import { localTime } from '../local-time.js';
import type { BucketSpan } from '../price-terms.js';

export const DAY_MINUTES = 24 * 60;
const WEEK_MINUTES = 7 * DAY_MINUTES;
const MINUTE = 60_000;
const DAY = DAY_MINUTES * MINUTE;
const WEEK = 7 * DAY;
/** 1 January 1970 was a Thursday: days since Monday. */
const EPOCH_WEEKDAY = 3;

/** A span of the week on the wall's clock, in minutes since Monday 00:00, half open. */
export interface WeeklySpan {
  readonly bucket: string;
  readonly start: number;
  readonly end: number;
}

/** `08:00` of minutes since midnight. */
export const clockText = (minutes: number): string =>
  [Math.floor(minutes / 60), minutes % 60].map((part) => part.toString().padStart(2, '0')).join(':');

/** The spans of the week a bucket names. One that ends before it begins goes on past midnight, into the next day. */
export function weeklySpans(bucket: {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly days: readonly number[] | undefined;
}): WeeklySpan[] {
  const length = bucket.to > bucket.from ? bucket.to - bucket.from : bucket.to - bucket.from + DAY_MINUTES;
  return (bucket.days ?? [1, 2, 3, 4, 5, 6, 7]).flatMap((day) => {
    const start = (day - 1) * DAY_MINUTES + bucket.from;
    const end = start + length;
    const spans = [{ bucket: bucket.name, start, end: Math.min(end, WEEK_MINUTES) }];
    if (end > WEEK_MINUTES) spans.push({ bucket: bucket.name, start: 0, end: end - WEEK_MINUTES });
    return spans;
  });
}

/** Two spans that share time; undefined when none do. */
export function overlapOf(week: readonly WeeklySpan[]): readonly [WeeklySpan, WeeklySpan] | undefined {
  const inOrder = [...week].sort((a, b) => a.start - b.start);
  for (const [i, span] of inOrder.entries()) {
    const next = inOrder[i + 1];
    if (next && next.start < span.end) return [span, next];
  }
  return undefined;
}

/** Where a local time is in the week, and how long until the table says something else, in milliseconds. */
function placeIn(week: readonly WeeklySpan[], rest: string, local: number): { bucket: string; left: number } {
  const at = (((local + EPOCH_WEEKDAY * DAY) % WEEK) + WEEK) % WEEK;
  const span = week.find(({ start, end }) => start * MINUTE <= at && at < end * MINUTE);
  if (span) return { bucket: span.bucket, left: span.end * MINUTE - at };
  const next = week.map(({ start }) => start * MINUTE - at).filter((left) => left > 0);
  return { bucket: rest, left: Math.min(...next, WEEK - at) };
}

/**
 * A period cut where another bucket begins. The table is of the wall's clock, so where the zone changes its offset the cut
 * is at the change: an hour that is skipped is nobody's, an hour that comes twice is its bucket's twice.
 */
export function bucketSpans(week: readonly WeeklySpan[], rest: string, zone: string, period: Period): BucketSpan[] {
  const spans: BucketSpan[] = [];
  for (let at: Instant = period.start; at < period.end;) {
    const local = localTime(at, zone);
    const { bucket, left } = placeIn(week, rest, local);
    const planned = instant(Math.min(at + Math.min(left, DAY), period.end));
    const end = changeOfOffset(at, planned, local - at, zone);
    const before = spans.at(-1);
    if (before?.bucket === bucket) spans[spans.length - 1] = { bucket, period: { start: before.period.start, end } };
    else spans.push({ bucket, period: { start: at, end } });
    at = end;
  }
  return spans;
}

/** The first instant up to `end` at which the zone has another offset; `end` when it keeps it. No zone changes twice a day. */
function changeOfOffset(start: Instant, end: Instant, offset: number, zone: string): Instant {
  const kept = (at: number): boolean => localTime(instant(at), zone) - at === offset;
  if (kept(end)) return end;
  let before: number = start;
  let after: number = end;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (kept(middle)) before = middle;
    else after = middle;
  }
  return instant(after);
}
