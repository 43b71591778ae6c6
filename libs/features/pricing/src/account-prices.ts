import type { Offered, PriceSources } from '@core/pricing';
import { at, type Tx } from '@platform/database';
import { priceOf, type StoredPrice } from './price-book.js';

/** A price that may be in force for an account, with the span in which it is offered. */
export interface OfferedPrice extends Offered {
  readonly price: StoredPrice;
}

export type AccountPrices = PriceSources<OfferedPrice>;

interface OfferRow {
  id: string;
  meter_id: string | null;
  source: string;
  name: string | null;
  plan_version_id: string | null;
  account_id: string | null;
  model: string;
  definition: unknown;
  modifiers: unknown;
  asset: string;
  asset_decimals: number;
  release: string;
  effective_at: Date;
  created_at: Date;
  since: Date;
  until: Date | null;
}

const offerOf = (row: OfferRow): OfferedPrice => {
  const price = priceOf({
    ...row,
    meterId: row.meter_id,
    planVersionId: row.plan_version_id,
    accountId: row.account_id,
    assetDecimals: row.asset_decimals,
    effectiveAt: row.effective_at,
    createdAt: row.created_at,
  });
  return {
    price,
    meter: price.meter,
    effectiveAt: at(row.since),
    ...(row.until === null ? {} : { until: at(row.until) }),
  };
};

const bySource = (offers: readonly OfferedPrice[]): AccountPrices => {
  const of = (source: StoredPrice['source']) => offers.filter(({ price }) => price.source === source);
  return { overrides: of('override'), planItems: of('plan'), defaults: of('default') };
};

/** Which prices an account has, wherever they come from. */
export class AccountPriceSources {
  /** Every price of a meter (`mtr_…`) the account has or had: agreed with it, of its plans, and the provider's own. */
  async of(tx: Tx, account: string, meter: string): Promise<AccountPrices> {
    const rows = await tx.$queryRaw<OfferRow[]>`
      SELECT p.*, o.since, o.until
      FROM (
        SELECT id, effective_at AS since, NULL::timestamptz AS until FROM prices WHERE meter_id = ${meter} AND source = 'default'
        UNION ALL
        SELECT price_id, "from", lead("from") OVER (ORDER BY "from") FROM account_prices WHERE account_id = ${account} AND meter_id = ${meter}
        UNION ALL
        SELECT i.id, s."from", s.until
        FROM (SELECT plan_version_id, "from", lead("from") OVER (ORDER BY "from") AS until FROM account_plans WHERE account_id = ${account}) s
          JOIN prices i ON i.plan_version_id = s.plan_version_id AND i.meter_id = ${meter}
      ) o JOIN prices p ON p.id = o.id
      ORDER BY o.since`;
    return bySource(rows.map(offerOf));
  }

  /** What an account's plans ask without a meter: flat items, and what is asked across the items of a plan. */
  async withoutMeter(tx: Tx, account: string): Promise<OfferedPrice[]> {
    const rows = await tx.$queryRaw<OfferRow[]>`
      SELECT p.*, s."from" AS since, s.until
      FROM (SELECT plan_version_id, "from", lead("from") OVER (ORDER BY "from") AS until FROM account_plans WHERE account_id = ${account}) s
        JOIN prices p ON p.plan_version_id = s.plan_version_id AND p.meter_id IS NULL
      ORDER BY s."from", p.id`;
    return rows.map(offerOf);
  }
}
