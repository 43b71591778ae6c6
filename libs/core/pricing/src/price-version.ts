import type { AssetId } from '@core/money';
import type { Instant } from '@core/time';
import type { PeriodTerms } from './period-terms.js';
import type { PriceTerms } from './price-terms.js';

/** An immutable price of a meter, in force from its instant until the next version's. */
export interface PriceVersion {
  /** `prc_…` */
  readonly id: string;
  /** `mtr_…` */
  readonly meter: string;
  readonly terms: PriceTerms;
  /** Absent: none, rounded half-up. */
  readonly modifiers?: PeriodTerms;
  readonly asset: AssetId;
  readonly assetDecimals: number;
  readonly effectiveAt: Instant;
}

/** What rating needs of a price. */
export type Priced = Pick<PriceVersion, 'terms' | 'modifiers' | 'asset' | 'assetDecimals'>;

/** The version in force at an instant; undefined before the first one. */
export const priceInForce = <Version extends Pick<PriceVersion, 'effectiveAt'>>(
  versions: readonly Version[],
  at: Instant,
): Version | undefined =>
  versions.reduce<Version | undefined>(
    (latest, version) =>
      version.effectiveAt <= at && (latest === undefined || version.effectiveAt > latest.effectiveAt)
        ? version
        : latest,
    undefined,
  );
