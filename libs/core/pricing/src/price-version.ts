import { type Amount, type AssetId, type Decimal, type Rounding, amount, toAtomic } from '@core/money';
import type { Instant, Period } from '@core/time';
import type { PriceTerms } from './price-model.js';

/** An immutable price of a meter, in force from its instant until the next version's. */
export interface PriceVersion {
  /** `prc_…` */
  readonly id: string;
  /** `mtr_…` */
  readonly meter: string;
  readonly terms: PriceTerms;
  readonly asset: AssetId;
  readonly assetDecimals: number;
  readonly effectiveAt: Instant;
}

type Priced = Pick<PriceVersion, 'terms' | 'asset' | 'assetDecimals'>;

/** What a quantity costs, rounded to atomic units once. Charges are rounded `half-up`: half away from zero. */
export const rate = (price: Priced, quantity: Decimal, rounding: Rounding): Amount =>
  amount(price.asset, toAtomic(price.terms.cost(quantity), price.assetDecimals, rounding));

/**
 * What one request costs when it is paid by itself: rounded up, so whatever costs something costs at least one atomic
 * unit. A single payment has no later line to carry a fraction to.
 */
export const quote = (price: Priced, quantity: Decimal): Amount => rate(price, quantity, 'up');

/** The version in force at an instant; undefined before the first one. */
export const priceInForce = <Version extends PriceVersion>(
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
export interface PricedPart<Version extends PriceVersion = PriceVersion> {
  readonly period: Period;
  readonly price: Version;
}

/** A period cut where versions take over, in order. Time before the first version has no price and is left out. */
export function pricedParts<Version extends PriceVersion>(
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
