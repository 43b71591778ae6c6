import type { Instant } from '@core/time';

/** How long what was looked up is taken for true. A change made elsewhere is seen after at most this long. */
const TRUSTED_MS = 5_000;
const MOST_ENTRIES = 200_000;

/**
 * What was found a moment ago, by provider and name. What was not found is not kept, so that creating it takes effect at once.
 */
export class ShortMemory<Value> {
  readonly #providers = new Map<string, Map<string, { value: Value; found: Instant }>>();
  #entries = 0;

  get(provider: string, name: string, now: Instant): Value | undefined {
    const entry = this.#providers.get(provider)?.get(name);
    return entry && Math.abs(now - entry.found) < TRUSTED_MS ? entry.value : undefined;
  }

  set(provider: string, name: string, value: Value, now: Instant): void {
    if (this.#entries >= MOST_ENTRIES) {
      this.#providers.clear();
      this.#entries = 0;
    }
    const names = this.#providers.get(provider) ?? new Map<string, { value: Value; found: Instant }>();
    if (names.size === 0) this.#providers.set(provider, names);
    if (!names.has(name)) this.#entries += 1;
    names.set(name, { value, found: now });
  }
}
