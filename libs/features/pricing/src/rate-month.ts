import { FUTURE_TOLERANCE_MS } from '@core/metering';
import { type RatedPart, ratePeriod, resolveParts } from '@core/pricing';
import { type Instant, type Period, addMs } from '@core/time';
import { type StoredMeter, UsageReader } from '@features/metering';
import type { Tx } from '@platform/database';
import type { AccountPrices } from './account-prices.js';
import { isUsed, UNUSED } from './pays-without-usage.js';
import type { StoredPrice } from './price-book.js';

/** What an account's usage of a meter comes to at the prices it has. Reads only. */
export class RateMonth {
  readonly #usage = new UsageReader();

  /**
   * A calendar month, or a span of it, at the prices the account has. A price for everyone concerns only who used the meter;
   * what was agreed with the account, or is of its plan, is asked though nothing was used.
   */
  async run(
    tx: Tx,
    account: string,
    meter: StoredMeter,
    sources: AccountPrices,
    { span, month }: { readonly span: Period; readonly month: Period },
    now: Instant,
  ): Promise<RatedPart<StoredPrice>[]> {
    const parts = resolveParts(meter.id, sources, span);
    const usages = [];
    for (const { price: offered, period } of parts) {
      const { price } = offered;
      const begun = period.start <= addMs(now, FUTURE_TOLERANCE_MS);
      const usage = begun
        ? await this.#usage.rated(tx, {
            account,
            meter,
            range: period,
            asOf: now,
            unsoldOnly: true,
            terms: price.terms,
          })
        : UNUSED;
      if (begun) usages.push({ price, covered: period, usage });
    }
    const used = usages.some(({ price, usage }) => price.source === 'default' && isUsed(usage));
    const concerned = usages.filter(
      ({ price, covered, usage }) => (price.source === 'default' ? used : covered.start <= now) || isUsed(usage),
    );
    return ratePeriod(concerned, { period: month, zone: 'UTC', ended: month.end <= now });
  }
}
