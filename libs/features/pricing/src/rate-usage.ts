import { ID_PREFIXES, type IdSource } from '@core/ids';
import { type Entry, accrueUsage } from '@core/ledger';
import { FUTURE_TOLERANCE_MS, type Meter } from '@core/metering';
import { ZERO, amount, compareDecimals, subtractDecimals } from '@core/money';
import { type PricedPart, pricedParts, rate } from '@core/pricing';
import { type Clock, type Instant, addMs, monthOf, windowOf, windowsOf } from '@core/time';
import { Ledger } from '@features/ledger';
import { MeterReader, UsageReader } from '@features/metering';
import type { Database, Tx, Writer } from '@platform/database';
import { PriceBook, type StoredPrice } from './price-book.js';
import { type DueKey, type DuePlace, RatingStore, type StoredCharge } from './rating.store.js';

export interface RatingResult {
  /** Accounts' meters that were looked at. */
  readonly rated: number;
  /** Charges whose totals changed. */
  readonly changed: number;
}

const PAGE = 200;
/** Rated side by side; each takes a connection. */
const AT_ONCE = 2;

/**
 * Turns usage that waits into charges. A charge is the total of an account's unpaid usage of a meter in one calendar month
 * (UTC) at one price version, and is set, not added to: rating again, twice at once, or after a crash comes to the same.
 * The difference to what was charged before is posted in the same transaction.
 */
export class RateUsage {
  readonly #store = new RatingStore();
  readonly #usage = new UsageReader();
  readonly #meters = new MeterReader();
  readonly #book = new PriceBook();
  readonly #ledger = new Ledger();

  constructor(
    private readonly writer: Writer,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly ids: IdSource,
  ) {}

  /**
   * Rates everything that is due, of every provider.
   * @throws AggregateError when some could not be rated: the others were, and those stay due
   */
  async run(): Promise<RatingResult> {
    const errors: unknown[] = [];
    const sum = { rated: 0, changed: 0 };
    let place: DuePlace | undefined;
    do {
      const page = await this.#store.dueAfter(this.writer, this.clock.now(), place, PAGE);
      for (let i = 0; i < page.length; i += AT_ONCE) {
        for (const outcome of await Promise.allSettled(page.slice(i, i + AT_ONCE).map((due) => this.#rate(due)))) {
          if (outcome.status === 'rejected') errors.push(outcome.reason);
          else sum.changed += outcome.value;
          sum.rated += 1;
        }
      }
      place = page.length === PAGE ? page.at(-1) : undefined;
    } while (place);
    if (errors.length > 0)
      throw new AggregateError(
        errors,
        `${errors.length} of ${sum.rated} accounts' meters could not be rated and stay due`,
      );
    return sum;
  }

  /** Rates what waits of one account, up to this moment, whenever it is due: before a statement is read. */
  async rateNow({ provider, account }: { readonly provider: string; readonly account: string }): Promise<RatingResult> {
    const due = await this.database.forProvider(provider, (tx) => this.#store.dueOf(tx, account));
    const sum = { rated: due.length, changed: 0 };
    for (const key of due) sum.changed += await this.#rate(key);
    return sum;
  }

  /** One transaction for an account's usage of a meter. Answers how many charges changed. */
  #rate(due: DueKey): Promise<number> {
    return this.database.forProvider(due.provider, async (tx) => {
      await this.#store.lockUsage(tx, due);
      await this.#store.lockPrices(tx, due.meter, 'shared');
      const now = this.clock.now();
      const mark = await this.#store.mark(tx, due);
      const meter = mark && (await this.#meters.find(tx, due.meter));
      if (!mark || !meter) return 0;
      const prices = await this.#book.versions(tx, due.meter);
      const changed = await this.#setCharges(tx, due, meter, prices, mark.since, now);
      await this.#settleMark(tx, due, meter, mark.marks, prices.length > 0, now);
      return changed;
    });
  }

  async #setCharges(
    tx: Tx,
    due: DueKey,
    meter: Meter,
    prices: readonly StoredPrice[],
    since: Instant,
    now: Instant,
  ): Promise<number> {
    const first = monthOf(since < now ? since : now).start;
    const months = windowsOf({ start: first, end: addMs(now, FUTURE_TOLERANCE_MS + 1) }, 'month');
    const existing = await this.#store.chargesFrom(tx, due, first);
    const parts = months.flatMap((month) => pricedParts(month, prices));
    const entries: Entry[] = [];
    for (const part of parts) {
      const before = existing.find(
        ({ price, window }) => price === part.price.id && window.start === part.period.start,
      );
      entries.push(...(await this.#setCharge(tx, due, meter, part, before, now)));
    }
    // A charge whose window no longer exists, because a version took over before it began, is set to nothing.
    const current = new Set(parts.map(({ price, period }) => `${price.id} ${period.start}`));
    for (const charge of existing.filter(({ price, window }) => !current.has(`${price} ${window.start}`))) {
      entries.push(...(await this.#change(tx, due, charge, { ...charge, quantity: ZERO, atomic: 0n })));
    }
    await this.#ledger.post(tx, ...entries);
    return entries.length;
  }

  async #setCharge(
    tx: Tx,
    due: DueKey,
    meter: Meter,
    { price, period }: PricedPart<StoredPrice>,
    before: StoredCharge | undefined,
    now: Instant,
  ): Promise<Entry[]> {
    const quantity = await this.#usage.total(tx, {
      account: due.account,
      meter,
      range: period,
      asOf: now,
      unpaidOnly: true,
    });
    if (!before && quantity.units === 0n) return [];
    const charge = before ?? {
      id: this.ids.next(ID_PREFIXES.charge),
      price: price.id,
      window: period,
      quantity: ZERO,
      asset: price.asset,
      atomic: 0n,
      revision: 0,
    };
    return this.#change(tx, due, charge, {
      ...charge,
      window: period,
      quantity,
      atomic: rate(price, quantity, 'half-up').atomic,
    });
  }

  /** Writes a charge's new totals and answers with the entry of the difference; none of either when nothing differs. */
  async #change(tx: Tx, due: DueKey, before: StoredCharge, totals: StoredCharge): Promise<Entry[]> {
    const same =
      compareDecimals(before.quantity, totals.quantity) === 0 &&
      before.atomic === totals.atomic &&
      before.window.end === totals.window.end;
    if (same) return [];
    const after = { ...totals, revision: before.revision + 1 };
    const change = {
      quantity: subtractDecimals(after.quantity, before.quantity),
      atomic: after.atomic - before.atomic,
    };
    await this.#store.setCharge(tx, due, after, change);
    return [
      accrueUsage({
        provider: due.provider,
        account: due.account,
        charge: after.id,
        revision: after.revision,
        meter: due.meter,
        before: amount(after.asset, before.atomic),
        after: amount(after.asset, after.atomic),
      }),
    ];
  }

  /** A level above zero goes on costing: it is due again with the next hour. Anything else waits for its next event. */
  async #settleMark(tx: Tx, due: DueKey, meter: Meter, marks: bigint, priced: boolean, now: Instant): Promise<void> {
    const goesOn =
      priced &&
      meter.aggregation === 'level' &&
      (await this.#usage.accrues(tx, { account: due.account, meter: meter.id, at: now }));
    if (goesOn) await this.#store.postpone(tx, due, marks, now, windowOf(now, 'hour').end);
    else await this.#store.unmark(tx, due, marks);
  }
}
