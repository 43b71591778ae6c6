import type { Instant } from '@core/time';
import { CutUsage } from '@features/metering';
import type { Prisma, Tx } from '@platform/database';
import type { StoredPrice } from './price-book.js';

const QUARTER_MS = 900_000;

/** Whether sums of usage exist for what lies before and after an instant without being cut for it. */
export const onTheGrid = (at: Instant): boolean => at % QUARTER_MS === 0;

/** How prices are written. */
export class PriceStore {
  readonly #cuts = new CutUsage();

  /** Lets one transaction at a time decide about something that is named; the next one waits. */
  async lock(tx: Tx, name: string): Promise<void> {
    await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))::text`;
  }

  async insert(tx: Tx, provider: string, price: StoredPrice): Promise<void> {
    // The roll-up marks only meters that have a price: it must not look while the first one is being made.
    if (price.meter !== '' && (await tx.price.count({ where: { meterId: price.meter }, take: 1 })) === 0)
      await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtext('farebox.roll_up'))::text`;
    await tx.price.create({ data: { ...columnsOf(price), providerId: provider } });
  }

  /** Cuts the sums of usage where a price begins off their grid, so that none lies astride of it. */
  async cut(tx: Tx, provider: string, meter: number, at: Instant): Promise<void> {
    if (!onTheGrid(at)) await this.#cuts.at(tx, { provider, meter, at });
  }
}

const columnsOf = (price: StoredPrice): Omit<Prisma.PriceUncheckedCreateInput, 'providerId'> => ({
  id: price.id,
  meterId: price.meter === '' ? null : price.meter,
  source: price.source,
  name: price.name ?? null,
  planVersionId: price.planVersion ?? null,
  accountId: price.account ?? null,
  model: price.terms.model,
  definition: price.terms.definition,
  modifiers: price.modifiers.definition,
  asset: price.asset,
  assetDecimals: price.assetDecimals,
  release: price.release,
  effectiveAt: new Date(price.effectiveAt),
  createdAt: new Date(price.createdAt),
});
