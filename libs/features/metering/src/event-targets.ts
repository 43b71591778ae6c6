import type { Meter } from '@core/metering';
import type { Instant } from '@core/time';
import type { Writer } from '@platform/database';
import { ShortMemory } from './short-memory.js';
import { UsageStore } from './usage.store.js';

/** What the names in a provider's events stand for. */
export interface EventTargets {
  meter(type: string): Meter | undefined;
  /** `acct_…` */
  account(subject: string): string | undefined;
}

/** Looks up meters by name and accounts by id, by the provider's own name, or by wallet address; remembers them briefly. */
export class TargetLookup {
  readonly #store = new UsageStore();
  readonly #meters = new ShortMemory<Meter>();
  readonly #accounts = new ShortMemory<string>();

  constructor(private readonly writer: Writer) {}

  async find(
    provider: string,
    types: ReadonlySet<string>,
    subjects: ReadonlySet<string>,
    now: Instant,
  ): Promise<EventTargets> {
    const [meters, accounts] = await Promise.all([
      this.#through(this.#meters, provider, types, now, (names) =>
        this.#store.metersNamed(this.writer, provider, names),
      ),
      this.#through(this.#accounts, provider, subjects, now, (names) =>
        this.#store.accountsNamed(this.writer, provider, names),
      ),
    ]);
    return { meter: (type) => meters.get(type), account: (subject) => accounts.get(subject) };
  }

  async #through<Value>(
    memory: ShortMemory<Value>,
    provider: string,
    names: ReadonlySet<string>,
    now: Instant,
    load: (names: string[]) => Promise<Map<string, Value>>,
  ): Promise<Map<string, Value>> {
    const found = new Map<string, Value>();
    const missing: string[] = [];
    for (const name of names) {
      const known = memory.get(`${provider} ${name}`, now);
      if (known === undefined) missing.push(name);
      else found.set(name, known);
    }
    if (missing.length === 0) return found;
    for (const [name, value] of await load(missing)) {
      memory.set(`${provider} ${name}`, value, now);
      found.set(name, value);
    }
    return found;
  }
}
