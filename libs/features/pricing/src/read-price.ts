import { Fault } from '@core/faults';
import type { Meter } from '@core/metering';
import { type Asset, currency } from '@core/money';
import { type PeriodTerms, type PriceTerms, readPeriodTerms, readTerms } from '@core/pricing';

/** What a price says, as a provider writes it. */
export interface PriceSpec {
  /** `per_unit`, `graduated`, …: the names of PRICE_MODELS. */
  readonly model: string;
  /** What the model needs; for per_unit `{ rate: "0.004" }`, in whole units of the asset for one unit of the meter. */
  readonly definition: unknown;
  /** What holds over a period: minimum, maximum, commitment, discounts, proration, rounding …. Absent: none. */
  readonly modifiers?: unknown;
  /** A token that can be paid with, or a currency (`iso4217:…`), which is billed and not sold at the gate. */
  readonly asset: Pick<Asset, 'id' | 'decimals'>;
}

/** @throws Fault invalid_request (`invalid_price`) with the sentence that says how to mend it */
export function readPrice(spec: PriceSpec, meter: Meter | undefined): { terms: PriceTerms; modifiers: PeriodTerms } {
  requireAsset(spec.asset);
  const terms = readTerms(spec.model, spec.definition);
  if ('problem' in terms) throw invalid(terms.problem);
  const modifiers = readPeriodTerms(spec.modifiers ?? {}, terms);
  if ('problem' in modifiers) throw invalid(modifiers.problem);
  requireFit(terms, modifiers, meter);
  return { terms, modifiers };
}

/** A currency has the places of its minor unit, no others: amounts in it would be off by powers of ten. */
export function requireAsset({ id, decimals }: Pick<Asset, 'id' | 'decimals'>): void {
  const [, code] = /^iso4217:(.*)$/.exec(id) ?? [];
  if (code === undefined) return;
  const known = currency(code);
  if (!known) throw invalid(`"${code}" is not a currency of ISO 4217.`);
  if (known.decimals !== decimals) throw invalid(`${code} has ${known.decimals} decimal places, not ${decimals}.`);
}

const ADDS_UP = new Set(['count', 'sum', 'duration', 'level']);

/**
 * Whether the meter gathers what the price needs to know of the usage.
 * @param meter absent for a price without one
 * @throws Fault invalid_request (`invalid_price`)
 */
export function requireFit(terms: PriceTerms, modifiers: PeriodTerms, meter: Meter | undefined): void {
  if (!meter) {
    if (terms.needs.length > 0)
      throw invalid(`A ${terms.model} price needs the usage of a meter; without one a price is flat.`);
    return;
  }
  const missing = terms.groupBy.filter((dimension) => !meter.groupBy.includes(dimension));
  if (missing.length > 0) {
    throw invalid(
      `The price depends on ${missing.map((name) => `"${name}"`).join(', ')}, which meter "${meter.name}" does not group by: ` +
        'give the meter a version that does.',
    );
  }
  if (terms.needs.includes('values') && !meter.itemized) {
    throw invalid(
      `A ${terms.model} price prices every event, so meter "${meter.name}" has to be "itemized": give it a version that is.`,
    );
  }
  if (modifiers.versionChange === 'continue' && !ADDS_UP.has(meter.aggregation)) {
    throw invalid(
      `Quantities of the ${meter.aggregation} meter "${meter.name}" do not add up, so its tiers cannot run on over a change of price: ` +
        'leave "versionChange" out.',
    );
  }
}

export const invalid = (problem: string): Fault => new Fault('invalid_request', problem, { reason: 'invalid_price' });
