import { type Decimal, ZERO, addDecimals, decimal, multiplyDecimals } from '@core/money';
import { type Instant, type Period, instant } from '@core/time';
import type { DurationRules, Meter } from './meter.js';
import { type Point, byResource } from './points.js';

/** Something odd in the points of a run; the quantity is safe, the sender should know. */
export interface DurationFlag {
  readonly kind: 'double_start' | 'stop_without_start' | 'resize_without_start' | 'presumed_stopped';
  readonly resource: string;
  readonly time: Instant;
}

export interface Duration {
  /** Seconds, each times its weight. */
  readonly seconds: Decimal;
  /** Those whose time lies in the range. */
  readonly flags: readonly DurationFlag[];
}

/** One resource running: from `start` on, with the weights it had one after the other. */
interface Run {
  readonly start: number;
  readonly weights: { readonly from: number; readonly weight: Decimal }[];
  /** The last start, resize or heartbeat. */
  alive: number;
}

const ONE: Decimal = { units: 1n, scale: 0 };

const ms = (seconds: Decimal | undefined): number =>
  seconds ? Number((seconds.units * 1000n) / 10n ** BigInt(seconds.scale)) : 0;

/**
 * The weighted seconds of a range during which resources ran, summed over resources. Points are followed in order of time and
 * then of receipt, whatever the order they are given in. A run goes from a start to the next stop; it ends earlier when it gives
 * no sign of life for longer than the heartbeat limit. One that has not ended counts up to `asOf` and no further. A minimum and
 * increments move the end of a run, so that ranges still add up and each part lies where the time was spent. Of two starts the
 * first holds; a stop or a resize of what does not run counts for nothing.
 *
 * It needs, for each resource, all points since its last stop before the range less {@link lookBackMs}.
 */
export function durationOf(
  points: readonly Point[],
  range: Period,
  asOf: Instant,
  rules: DurationRules | undefined,
): Duration {
  const flags: DurationFlag[] = [];
  let seconds = ZERO;
  for (const [resource, own] of byResource(points)) {
    const flag = (kind: DurationFlag['kind'], time: number) => {
      if (time >= range.start && time < range.end) flags.push({ kind, resource, time: instant(time) });
    };
    const ended = (run: Run, end: number) => {
      seconds = addDecimals(seconds, within(run, lengthened(run.start, end, rules), range));
    };
    const open = follow(own, ms(rules?.heartbeatLimitSeconds), ended, flag);
    if (!open) continue;
    const presumed = presumedEnd(open, ms(rules?.heartbeatLimitSeconds));
    if (asOf >= presumed) {
      flag('presumed_stopped', presumed);
      ended(open, presumed);
    } else {
      seconds = addDecimals(seconds, within(open, asOf, range));
    }
  }
  flags.sort((a, b) => a.time - b.time || (a.resource < b.resource ? -1 : a.resource > b.resource ? 1 : 0));
  return { seconds, flags };
}

/** Follows one resource's points in order and tells each run that ends; returns the one that is left running. */
function follow(
  points: readonly Point[],
  limit: number,
  ended: (run: Run, end: number) => void,
  flag: (kind: DurationFlag['kind'], time: number) => void,
): Run | undefined {
  let run: Run | undefined;
  // The stop that still comes after a run was presumed stopped is no surprise.
  let presumed = false;
  for (const { kind, time, number } of points) {
    if (run && time > presumedEnd(run, limit)) {
      flag('presumed_stopped', presumedEnd(run, limit));
      ended(run, presumedEnd(run, limit));
      run = undefined;
      presumed = true;
    }
    if (kind === 'start') {
      if (run) {
        flag('double_start', time);
        run.alive = time;
      } else {
        run = { start: time, weights: [{ from: time, weight: number ?? ONE }], alive: time };
        presumed = false;
      }
    } else if (kind === 'stop') {
      if (run) ended(run, time);
      else if (!presumed) flag('stop_without_start', time);
      run = undefined;
      presumed = false;
    } else if (run) {
      run.alive = time;
      if (kind === 'resize') run.weights.push({ from: time, weight: number ?? ONE });
    } else if (kind === 'resize' && !presumed) {
      flag('resize_without_start', time);
    }
  }
  return run;
}

const presumedEnd = (run: Run, limit: number): number => (limit > 0 ? run.alive + limit : Infinity);

function lengthened(start: number, end: number, rules: DurationRules | undefined): number {
  const length = Math.max(end - start, ms(rules?.minimumSeconds));
  const increment = ms(rules?.incrementSeconds);
  return start + (increment > 0 ? Math.ceil(length / increment) * increment : length);
}

/** The weighted seconds of a run that lie in a range. */
function within(run: Run, end: number, range: Period): Decimal {
  const last = Math.min(end, range.end);
  return run.weights.reduce((total, { from, weight }, i) => {
    const since = Math.max(from, range.start);
    const until = Math.min(run.weights[i + 1]?.from ?? last, last);
    // Milliseconds over a thousand: three more decimal places instead of a division.
    return until > since ? addDecimals(total, multiplyDecimals(weight, decimal(BigInt(until - since), 3))) : total;
  }, ZERO);
}

/**
 * How far before a range a run may have stopped and still reach into it, in milliseconds: its minimum and one increment. Points
 * must be read from the last stop before that on.
 */
export const lookBackMs = ({ aggregation, duration }: Pick<Meter, 'aggregation' | 'duration'>): number =>
  aggregation === 'duration' ? ms(duration?.minimumSeconds) + ms(duration?.incrementSeconds) : 0;
