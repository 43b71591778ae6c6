import type { Instant } from '@core/time';

/** How long what was looked up is taken for true. A change made elsewhere is seen after at most this long. */
const TRUSTED_MS = 5_000;
const MOST_ENTRIES = 50_000;

/** What was found a moment ago, by key. What was not found is not kept, so that creating it takes effect at once. */
export class ShortMemory<Value> {
  readonly #entries = new Map<string, { value: Value; found: Instant }>();

  get(key: string, now: Instant): Value | undefined {
    const entry = this.#entries.get(key);
    return entry && Math.abs(now - entry.found) < TRUSTED_MS ? entry.value : undefined;
  }

  set(key: string, value: Value, now: Instant): void {
    if (this.#entries.size >= MOST_ENTRIES) this.#entries.clear();
    this.#entries.set(key, { value, found: now });
  }
}
