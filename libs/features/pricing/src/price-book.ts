import { Fault } from '@core/faults';
import { assetId } from '@core/money';
import { RELEASE_LEVELS, type ReleaseLevel } from '@core/payments';
import { type PriceVersion, priceInForce, readTerms } from '@core/pricing';
import type { Instant } from '@core/time';
import { at, type Tx } from '@platform/database';

/** A price version as it is kept. */
export interface StoredPrice extends PriceVersion {
  /** When the response of a request sold at this price may leave. */
  readonly release: ReleaseLevel;
  readonly createdAt: Instant;
}

interface PriceColumns {
  readonly id: string;
  readonly meterId: string;
  readonly model: string;
  readonly definition: unknown;
  readonly asset: string;
  readonly assetDecimals: number;
  readonly release: string;
  readonly effectiveAt: Date;
  readonly createdAt: Date;
}

function priceOf(row: PriceColumns): StoredPrice {
  const terms = readTerms(row.model, row.definition);
  if ('problem' in terms) throw new Fault('invariant_broken', `price ${row.id} cannot be read: ${terms.problem}`);
  const release = RELEASE_LEVELS.find((level) => level === row.release);
  if (!release) throw new Fault('invariant_broken', `price ${row.id} has the unknown release level ${row.release}`);
  return {
    id: row.id,
    meter: row.meterId,
    terms,
    asset: assetId(row.asset),
    assetDecimals: row.assetDecimals,
    release,
    effectiveAt: at(row.effectiveAt),
    createdAt: at(row.createdAt),
  };
}

/** Which price versions a meter has. */
export class PriceBook {
  /** All versions of a meter (`mtr_…`), earliest first, those to come included. */
  async versions(tx: Tx, meter: string): Promise<StoredPrice[]> {
    return (await tx.price.findMany({ where: { meterId: meter }, orderBy: { effectiveAt: 'asc' } })).map(priceOf);
  }

  async inForce(tx: Tx, meter: string, instant: Instant): Promise<StoredPrice | undefined> {
    return priceInForce(await this.versions(tx, meter), instant);
  }

  /** Every version of every meter of the provider, by meter and instant. */
  async all(tx: Tx): Promise<StoredPrice[]> {
    return (await tx.price.findMany({ orderBy: [{ meterId: 'asc' }, { effectiveAt: 'asc' }] })).map(priceOf);
  }
}
