import { Fault } from '@core/faults';
import { type Instant, instant } from './instant.js';

/** A half-open span of time: `start` is in it, `end` is not. */
export interface Period {
  readonly start: Instant;
  readonly end: Instant;
}

/** Tumbling windows, cut in UTC. */
export type WindowSize = 'hour' | 'day' | 'month';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The part two periods share; undefined when they share nothing. */
export function overlap(a: Period, b: Period): Period | undefined {
  const start = a.start > b.start ? a.start : b.start;
  const end = a.end < b.end ? a.end : b.end;
  return start < end ? { start, end } : undefined;
}

/** The calendar month in UTC that holds `at`. */
export function monthOf(at: Instant): Period {
  const date = new Date(at);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  return { start: instant(Date.UTC(year, month, 1)), end: instant(Date.UTC(year, month + 1, 1)) };
}

/** The window of the given size that holds `at`. */
export function windowOf(at: Instant, size: WindowSize): Period {
  if (size === 'month') return monthOf(at);
  const length = size === 'hour' ? HOUR : DAY;
  const start = Math.floor(at / length) * length;
  return { start: instant(start), end: instant(start + length) };
}

/** The windows that cover `range`, in order; the first and last may reach beyond it. */
export function windowsOf(range: Period, size: WindowSize): Period[] {
  const windows: Period[] = [];
  for (let window = windowOf(range.start, size); window.start < range.end; window = windowOf(window.end, size)) {
    windows.push(window);
  }
  return windows;
}

/**
 * Reads a statement period: a month (`2026-11`) or a day (`2026-11-21`), in UTC.
 * @throws Fault invalid_request when the text is neither.
 */
export function parsePeriod(text: string): Period {
  const match = /^(\d{4})-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?$/.exec(text);
  const day = match?.[3];
  const start = match ? Date.UTC(Number(match[1]), Number(match[2]) - 1, day ? Number(day) : 1) : NaN;
  const reads = match !== null && (day === undefined || new Date(start).getUTCDate() === Number(day));
  if (!reads) {
    throw new Fault(
      'invalid_request',
      `"${text.slice(0, 32)}" is not a period: write a month (2026-11) or a day (2026-11-21)`,
      {
        reason: 'invalid_period',
      },
    );
  }
  return windowOf(instant(start), day ? 'day' : 'month');
}
