import type { Clock, Instant } from '@core/time';
import type { Database } from '@platform/database';
import { type FoundKey, PresentedKeysStore } from './presented-keys.store.js';

/** How long a row that was read is believed. Below 5 s, so that a revocation takes effect everywhere within 5 s. */
const BELIEVED_MS = 4_000;
/** At which age a row that is in use is read again, so that nobody has to wait for it. */
const RENEWED_MS = 3_000;
/** How long rows to be read again are gathered: well within the difference of the two. */
const GATHERED_MS = 250;
/** Most rows remembered; the one remembered longest gives way. */
const REMEMBERED = 10_000;
/** Most rows of one statement. */
const AT_ONCE = 500;

interface Waiting {
  readonly resolve: (found: FoundKey | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Keys by their ids, remembered for some seconds. Keys that many callers present at the same time are read in one statement, and those
 * that stay in use are read again before they are too old to be believed. What is not found is not remembered.
 */
export class PresentedKeys {
  readonly #store = new PresentedKeysStore();
  readonly #known = new Map<string, { readonly found: FoundKey; readonly readAt: Instant }>();
  /** To be read next, with those who wait for it. */
  #asked = new Map<string, Waiting[]>();
  #reading: { readonly of: ReadonlyMap<string, Waiting[]>; readonly since: Instant } | undefined;
  readonly #toRenew = new Set<string>();
  #isGathering = false;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault unavailable when the database does not answer. */
  async find(id: string, now: Instant): Promise<FoundKey | undefined> {
    const known = this.#known.get(id);
    const age = known ? now - known.readAt : Infinity;
    if (!known || age >= BELIEVED_MS) return this.#read(id, now);
    if (age >= RENEWED_MS) this.#renewSoon(id);
    return known.found;
  }

  #read(id: string, now: Instant): Promise<FoundKey | undefined> {
    return new Promise((resolve, reject) => {
      this.#ask(id, now).push({ resolve, reject });
    });
  }

  /** Those who wait for the row, to be joined. */
  #ask(id: string, now: Instant): Waiting[] {
    // What is being read will do as long as it would be believed once it is there.
    const underWay = this.#reading && now - this.#reading.since < BELIEVED_MS ? this.#reading.of.get(id) : undefined;
    const waiting = underWay ?? this.#asked.get(id) ?? [];
    if (!underWay) {
      this.#asked.set(id, waiting);
      // Asked for in the same turn of the event loop is read together, and so is what is asked for while something is read.
      if (!this.#reading && this.#asked.size === 1) setImmediate(() => void this.#readAsked());
    }
    return waiting;
  }

  #renewSoon(id: string): void {
    this.#toRenew.add(id);
    if (this.#isGathering) return;
    this.#isGathering = true;
    setTimeout(() => {
      this.#isGathering = false;
      // Nobody waits: should it fail, the row is read when it is too old and somebody does.
      for (const due of this.#toRenew) this.#ask(due, this.clock.now());
      this.#toRenew.clear();
    }, GATHERED_MS).unref();
  }

  async #readAsked(): Promise<void> {
    if (this.#reading) return;
    while (this.#asked.size > 0) {
      const of = new Map([...this.#asked].slice(0, AT_ONCE));
      this.#asked = new Map([...this.#asked].slice(AT_ONCE));
      const since = this.clock.now();
      this.#reading = { of, since };
      try {
        const found = new Map((await this.#store.find(this.database, [...of.keys()])).map((key) => [key.row.id, key]));
        for (const [id, waiting] of of) {
          const key = found.get(id);
          this.#remember(id, key, since);
          for (const { resolve } of waiting) resolve(key);
        }
      } catch (error) {
        for (const { reject } of [...of.values()].flat()) reject(error);
      }
    }
    this.#reading = undefined;
  }

  #remember(id: string, found: FoundKey | undefined, readAt: Instant): void {
    this.#known.delete(id);
    if (!found) return;
    this.#known.set(id, { found, readAt });
    const [oldest] = this.#known.keys();
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
  }
}
