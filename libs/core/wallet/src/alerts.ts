import type { Instant } from '@core/time';
import type { Counter, Limit } from './limits.js';

export type WalletAlert =
  | { readonly kind: 'balance_low'; readonly threshold: bigint; readonly value: bigint }
  | {
      readonly kind: 'limit_reached';
      readonly limit: string;
      readonly start: Instant;
      readonly percent: number;
      readonly threshold: bigint;
      readonly value: bigint;
    };

/**
 * Thresholds that a rising value reached just now. Each is told once per crossing: to be told again, the value has to have been
 * below it in between.
 */
export const risingTo = (thresholds: readonly bigint[], previous: bigint, current: bigint): bigint[] =>
  thresholds.filter((threshold) => previous < threshold && threshold <= current);

/** Thresholds that a falling value reached just now. */
export const fallingTo = (thresholds: readonly bigint[], previous: bigint, current: bigint): bigint[] =>
  thresholds.filter((threshold) => current <= threshold && threshold < previous);

/** The multiples of a step that a rising value reached just now: the first and the last; undefined when none. */
export function multiplesReached(
  step: bigint,
  previous: bigint,
  current: bigint,
): { readonly first: bigint; readonly last: bigint } | undefined {
  if (step <= 0n || current <= previous) return undefined;
  const first = previous / step + 1n;
  const last = current / step;
  return first <= last ? { first: first * step, last: last * step } : undefined;
}

/** So many percent of a limit, rounded up: a limit is not reached before it is. */
export const shareOf = (limit: bigint, percent: number): bigint => (limit * BigInt(percent) + 99n) / 100n;

/** Alerts for what was spent: of the limits whose windows it counts in. */
export function limitAlerts(
  limits: readonly Limit[],
  before: readonly Counter[],
  after: readonly Counter[],
): WalletAlert[] {
  if (before === after) return [];
  return after.flatMap(({ limit: id, start, spent }) => {
    const limit = limits.find((one) => one.id === id);
    const previous = before.find((counter) => counter.limit === id && counter.start === start)?.spent ?? 0n;
    if (!limit || spent <= previous) return [];
    return limit.alertPercents.flatMap((percent): WalletAlert[] => {
      const threshold = shareOf(limit.amount, percent);
      return previous < threshold && threshold <= spent
        ? [{ kind: 'limit_reached', limit: id, start, percent, threshold, value: spent }]
        : [];
    });
  });
}
