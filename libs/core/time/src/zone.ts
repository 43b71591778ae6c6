import { DateTime, IANAZone } from 'luxon';
import { type Instant, instant } from './instant.js';
import type { Period } from './period.js';

/** Tumbling windows, cut by the clock on the wall of a zone. */
export type ZonedWindowSize = 'minute' | 'hour' | 'day' | 'month';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ZONE = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/;

/** Whether a text names a zone of the IANA database, e.g. `Europe/Berlin` or `UTC`. */
export const isZone = (text: string): boolean => ZONE.test(text) && IANAZone.isValidZone(text);

/**
 * The windows that cover `range` in a zone, in order; the first and last may reach beyond it. Each ends where the next begins,
 * also where the clocks change: a day then has 23 or 25 hours, and an hour during which they change by half an hour is cut there.
 * `zone` must be one ({@link isZone}).
 */
export function zonedWindowsOf(range: Period, size: ZonedWindowSize, zone: string): Period[] {
  const windows: Period[] = [];
  if (range.start >= range.end) return windows;
  const next = NEXT[size];
  let start = firstBoundary(range.start, size, zone);
  for (let end = next(start, zone); start < range.end; end = next(start, zone)) {
    if (end > range.start) windows.push({ start: instant(start), end: instant(end) });
    start = end;
  }
  return windows;
}

/** Billing periods, by the calendar of a zone; weeks begin on Monday (ISO 8601). */
export type BillingPeriod = 'day' | 'week' | 'month';

/** The period of a zone's calendar in which an instant lies. `zone` must be one ({@link isZone}). */
export function zonedPeriodOf(at: Instant, size: BillingPeriod, zone: string): Period {
  const local = DateTime.fromMillis(at, { zone });
  const first =
    size === 'month' ? local.set({ day: 1 }) : size === 'week' ? local.minus({ days: local.weekday - 1 }) : local;
  const next = first.plus(size === 'month' ? { months: 1 } : size === 'week' ? { weeks: 1 } : { days: 1 });
  return { start: instant(dayStart(first, zone)), end: instant(dayStart(next, zone)) };
}

type Boundary = (after: number, zone: string) => number;

const NEXT: Readonly<Record<ZonedWindowSize, Boundary>> = {
  minute: (after) => after + MINUTE,
  hour: nextHour,
  day: (after, zone) => nextDay(after, zone, 'days'),
  month: (after, zone) => nextDay(after, zone, 'months'),
};

/** A boundary at or before an instant, from which all others follow. Hours are counted from where their day begins. */
function firstBoundary(at: Instant, size: ZonedWindowSize, zone: string): number {
  // Every zone is whole minutes off UTC since the clocks of the world were set by it.
  if (size === 'minute') return Math.floor(at / MINUTE) * MINUTE;
  const local = DateTime.fromMillis(at, { zone });
  return dayStart(size === 'month' ? local.set({ day: 1 }) : local, zone);
}

/** The next full hour of the wall clock; where half an hour is skipped or passed twice, the instant of the change comes first. */
function nextHour(after: number, zone: string): number {
  const minutesPast = (at: number): number => DateTime.fromMillis(at, { zone }).minute;
  const inAnHour = after + HOUR;
  const full = inAnHour - minutesPast(inAnHour) * MINUTE;
  return full > after && minutesPast(full) === 0 ? full : inAnHour;
}

function nextDay(after: number, zone: string, unit: 'days' | 'months'): number {
  // A zone that moves across the date line leaves a day out: the one after it begins where that one would have.
  for (let more = 1; ; more += 1) {
    const start = dayStart(DateTime.fromMillis(after, { zone }).plus({ [unit]: more }), zone);
    if (start > after) return start;
  }
}

/** The first instant of a local date: after midnight where the clocks skip it, the earlier one where they pass it twice. */
function dayStart({ year, month, day }: DateTime, zone: string): number {
  const date = (at: number): number => {
    const local = DateTime.fromMillis(at, { zone });
    return Date.UTC(local.year, local.month - 1, local.day);
  };
  const sought = Date.UTC(year, month - 1, day);
  const midnight = DateTime.fromObject({ year, month, day }, { zone }).toMillis();
  if (date(midnight) >= sought && date(midnight - 1) < sought) return midnight;
  // No zone is further than 14 hours from UTC, so that the date begins well within these.
  let before = sought - 24 * HOUR;
  let reached = sought + 48 * HOUR;
  while (reached - before > 1) {
    const middle = Math.floor((before + reached) / 2);
    if (date(middle) < sought) before = middle;
    else reached = middle;
  }
  return reached;
}
