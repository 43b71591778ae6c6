/** A server may ask for a pause; one longer than this is a mistake or a mood, and usage is waiting. */
const LONGEST_PAUSE_MS = 3_600_000;

/** Worth another attempt: the same bytes may be answered differently later. */
export function isRetryable(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** Refused for what is in it: the same bytes will be refused whoever brings them, and whenever. */
export function isAboutContent(status: number): boolean {
  return status === 400 || status === 409 || status === 413 || status === 422;
}

export interface Backoff {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly random: () => number;
}

/**
 * Full jitter: anywhere between nothing and min · 2ⁿ, so that clients that failed together do not return together. What
 * the server asked for is added below it, for the same reason. `failures` counts from 1.
 */
export function delayBeforeRetry(failures: number, pauseMs: number, backoff: Backoff): number {
  const ceiling = Math.min(backoff.maxDelayMs, backoff.minDelayMs * 2 ** (failures - 1));
  return Math.min(pauseMs, LONGEST_PAUSE_MS) + Math.floor(backoff.random() * ceiling);
}

/** Milliseconds a Retry-After header asks for (RFC 9110 §10.2.3: seconds or a date); 0 when there is none to be read. */
export function pauseOf(retryAfter: string | null, now: number): number {
  if (retryAfter === null) return 0;
  const text = retryAfter.trim();
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
