import { addMs, type Instant } from '@core/time';
import { type Spread, spreadOut } from './retry-schedule.js';

/** How an endpoint has been doing. */
export interface Breaker {
  /** Failed attempts since the last that succeeded. */
  readonly failures: number;
  /** Nothing is sent before. Absent: it is not paused. */
  readonly pausedUntil: Instant | undefined;
}

export const SOUND: Breaker = { failures: 0, pausedUntil: undefined };

/** So many failures in a row pause an endpoint. */
const PATIENCE = 5;
const FIRST_PAUSE_MS = 15_000;
const LONGEST_PAUSE_MS = 30 * 60_000;

/** Doubles with every further failure. */
const pauseAfter = (failures: number): number =>
  Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - PATIENCE, 20));

/** After an attempt: success makes it sound at once. */
export function afterAttempt(breaker: Breaker, succeeded: boolean, now: Instant, spread: Spread): Breaker {
  if (succeeded) return SOUND;
  const failures = breaker.failures + 1;
  return {
    failures,
    pausedUntil: failures < PATIENCE ? undefined : addMs(now, spreadOut(pauseAfter(failures), spread)),
  };
}

/** How many attempts may be under way at an endpoint: none while it is paused, one to see whether it is back, else all it takes. */
export function attemptsAtOnce(breaker: Breaker, concurrency: number, now: Instant): number {
  if (breaker.pausedUntil === undefined) return concurrency;
  return now < breaker.pausedUntil ? 0 : 1;
}
