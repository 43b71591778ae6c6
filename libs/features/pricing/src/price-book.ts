import { Fault } from '@core/faults';
import { type AssetId, assetId } from '@core/money';
import { RELEASE_LEVELS, type ReleaseLevel } from '@core/payments';
import { type PeriodTerms, type PriceVersion, priceInForce, readPeriodTerms, readTerms } from '@core/pricing';
import type { Instant } from '@core/time';
import { at, type Tx } from '@platform/database';

/** Where a price comes from: the provider's own for every account, a plan's, or one agreed with a single account. */
export const PRICE_SOURCES = ['default', 'plan', 'override'] as const;
type PriceSource = (typeof PRICE_SOURCES)[number];

/** A price version as it is kept. */
export interface StoredPrice extends PriceVersion {
  /** `mtr_…`; '' for a flat item of a plan, and for what a plan asks across its items. */
  readonly meter: string;
  readonly modifiers: PeriodTerms;
  readonly source: PriceSource;
  /** What the statement calls a price without a meter. */
  readonly name?: string;
  /** `plv_…`, of a plan's price. */
  readonly planVersion?: string;
  /** `acct_…`, of an override. */
  readonly account?: string;
  /** When the response of a request sold at this price may leave. */
  readonly release: ReleaseLevel;
  readonly createdAt: Instant;
}

interface PriceColumns {
  readonly id: string;
  readonly meterId: string | null;
  readonly source: string;
  readonly name: string | null;
  readonly planVersionId: string | null;
  readonly accountId: string | null;
  readonly model: string;
  readonly definition: unknown;
  readonly modifiers: unknown;
  readonly asset: string;
  readonly assetDecimals: number;
  readonly release: string;
  readonly effectiveAt: Date;
  readonly createdAt: Date;
}

export function priceOf(row: PriceColumns): StoredPrice {
  const unreadable = (why: string): never => {
    throw new Fault('invariant_broken', `price ${row.id} cannot be read: ${why}`, { reason: 'unreadable_price' });
  };
  const terms = readTerms(row.model, row.definition);
  if ('problem' in terms) return unreadable(terms.problem);
  const modifiers = readPeriodTerms(row.modifiers, terms);
  if ('problem' in modifiers) return unreadable(modifiers.problem);
  const release = RELEASE_LEVELS.find((level) => level === row.release) ?? unreadable(`release level ${row.release}`);
  const source = PRICE_SOURCES.find((one) => one === row.source) ?? unreadable(`source ${row.source}`);
  return {
    id: row.id,
    meter: row.meterId ?? '',
    terms,
    modifiers,
    source,
    ...(row.name === null ? {} : { name: row.name }),
    ...(row.planVersionId === null ? {} : { planVersion: row.planVersionId }),
    ...(row.accountId === null ? {} : { account: row.accountId }),
    asset: assetId(row.asset),
    assetDecimals: row.assetDecimals,
    release,
    effectiveAt: at(row.effectiveAt),
    createdAt: at(row.createdAt),
  };
}

/** Which price versions there are. */
export class PriceBook {
  /** The provider's own versions for a meter (`mtr_…`), earliest first, those to come included. */
  async versions(tx: Tx, meter: string): Promise<StoredPrice[]> {
    const rows = await tx.price.findMany({
      where: { meterId: meter, source: 'default' },
      orderBy: { effectiveAt: 'asc' },
    });
    return rows.map(priceOf);
  }

  async inForce(tx: Tx, meter: string, instant: Instant): Promise<StoredPrice | undefined> {
    return priceInForce(await this.versions(tx, meter), instant);
  }

  /** The provider's own versions for every meter, by meter and instant. */
  async all(tx: Tx): Promise<StoredPrice[]> {
    const rows = await tx.price.findMany({
      where: { source: 'default' },
      orderBy: [{ meterId: 'asc' }, { effectiveAt: 'asc' }],
    });
    return rows.map(priceOf);
  }

  /** How many decimal places each asset has that something is priced in. */
  async decimals(tx: Tx): Promise<Map<AssetId, number>> {
    const rows = await tx.price.findMany({ distinct: ['asset'], select: { asset: true, assetDecimals: true } });
    return new Map(rows.map((row) => [assetId(row.asset), row.assetDecimals]));
  }

  /** Prices by id, of plans and overrides too. */
  async named(tx: Tx, ids: readonly string[]): Promise<Map<string, StoredPrice>> {
    const rows = await tx.price.findMany({ where: { id: { in: [...new Set(ids)] } } });
    return new Map(rows.map((row) => [row.id, priceOf(row)]));
  }
}
