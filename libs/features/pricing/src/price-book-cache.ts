import type { Meter } from '@core/metering';
import type { Clock, Instant } from '@core/time';
import { MeterReader } from '@features/metering';
import type { Database } from '@platform/database';
import { PriceBook, type StoredPrice } from './price-book.js';

interface PricedMeter {
  readonly meter: Meter;
  /** Earliest first, those to come included: which one is in force is decided at the instant of the request. */
  readonly prices: readonly StoredPrice[];
}

interface Entry {
  readonly loaded: Instant;
  readonly priced: Promise<PricedMeter | undefined>;
}

/** A price made elsewhere is seen after at most this long. */
const TRUSTED_MS = 5_000;
const MOST_ENTRIES = 10_000;

/**
 * Prices by meter name for who cannot open a transaction per request. Requests that come while a meter is being read share
 * the read. What was not found, and a read that failed, is not kept: without the database there is no price, and nothing
 * is sold.
 */
export class PriceBookCache {
  readonly #meters = new MeterReader();
  readonly #book = new PriceBook();
  readonly #entries = new Map<string, Entry>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async find(provider: string, meterName: string): Promise<PricedMeter | undefined> {
    const now = this.clock.now();
    const key = `${provider} ${meterName}`;
    const known = this.#entries.get(key);
    if (known && Math.abs(now - known.loaded) < TRUSTED_MS) return known.priced;
    const entry: Entry = { loaded: now, priced: this.#load(provider, meterName) };
    if (this.#entries.size >= MOST_ENTRIES) this.#entries.clear();
    this.#entries.set(key, entry);
    const forget = () => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    };
    entry.priced.then((priced) => {
      if (!priced) forget();
    }, forget);
    return entry.priced;
  }

  #load(provider: string, meterName: string): Promise<PricedMeter | undefined> {
    return this.database.forProvider(provider, async (tx) => {
      const meter = await this.#meters.find(tx, meterName);
      return meter && { meter, prices: await this.#book.versions(tx, meter.id) };
    });
  }
}
