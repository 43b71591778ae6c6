import type { AssetId } from '@core/money';
import type { Instant, Period } from '@core/time';
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

/** A span in which one version is in force. */
export interface PricedPart<Version extends Pick<PriceVersion, 'effectiveAt'> = PriceVersion> {
  readonly period: Period;
  readonly price: Version;
}

/** A period cut where versions take over, in order. Time before the first version has no price and is left out. */
export function pricedParts<Version extends Pick<PriceVersion, 'effectiveAt'>>(
  period: Period,
  versions: readonly Version[],
): PricedPart<Version>[] {
  const inOrder = [...versions].sort((a, b) => a.effectiveAt - b.effectiveAt);
  return inOrder.flatMap((price, i) => {
    const next = inOrder[i + 1]?.effectiveAt ?? period.end;
    const start = price.effectiveAt > period.start ? price.effectiveAt : period.start;
    const end = next < period.end ? next : period.end;
    return start < end ? [{ period: { start, end }, price }] : [];
  });
}
