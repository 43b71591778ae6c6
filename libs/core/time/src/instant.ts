import { Fault } from '@core/faults';

/** A point in time: milliseconds since 1970-01-01T00:00:00Z, an integer. */
export type Instant = number & { readonly __instant: true };

const isInstant = (ms: number): ms is Instant => Number.isSafeInteger(ms);

/** @throws Fault invariant_broken when `ms` is not an integer. */
export function instant(ms: number): Instant {
  if (!isInstant(ms)) throw new Fault('invariant_broken', `${ms} is not an instant in whole milliseconds`);
  return ms;
}

export const addMs = (at: Instant, ms: number): Instant => instant(at + ms);

/** Whole seconds since the epoch, rounded down: the unit of x402 and of EIP-3009. */
export const epochSeconds = (at: Instant): number => Math.floor(at / 1000);

/** RFC 3339 in UTC with milliseconds, e.g. `2026-11-21T08:00:00.000Z`. */
export const formatInstant = (at: Instant): string => new Date(at).toISOString();

const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Reads an RFC 3339 date-time with an offset; undefined when the text is not one. Digits past milliseconds are dropped. */
export function parseInstant(text: string): Instant | undefined {
  if (!RFC3339.test(text)) return undefined;
  const ms = Date.parse(text);
  return isInstant(ms) ? ms : undefined;
}
