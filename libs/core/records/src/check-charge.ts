import { Fault } from '@core/faults';
import { assetId, parseAtomic, parseDecimal } from '@core/money';
import { quote, readPeriodTerms, readTerms } from '@core/pricing';
import type { UsageRecord } from './usage-record.js';

/** What computing a record's charge again showed. */
export type ChargeCheck =
  /** The price of the quantity is the charge, to the unit. */
  | { readonly outcome: 'equal'; readonly computed: bigint }
  /** Scheme `exact` moves the amount that was signed; the quantity measured was less than was paid for. */
  | { readonly outcome: 'paid_for_more'; readonly computed: bigint }
  | { readonly outcome: 'differs'; readonly computed: bigint }
  | { readonly outcome: 'above_ceiling' }
  /** Nothing was charged, nothing was priced here, or the price needs more than one request. */
  | { readonly outcome: 'not_computable'; readonly why: string };

/** Computes the charge of a record again from the price in it. Trusts nothing but the record's own fields. */
export function checkCharge({ charged, usage, price, quote: offer, way }: UsageRecord): ChargeCheck {
  if (charged === undefined) return { outcome: 'not_computable', why: 'nothing was charged' };
  const [paid, ceiling] = [parseAtomic(charged), parseAtomic(offer.ceiling)];
  if (paid === undefined || ceiling === undefined || paid > ceiling) return { outcome: 'above_ceiling' };
  if (!price || !usage) return { outcome: 'not_computable', why: 'the price was set elsewhere' };
  const quantity = parseDecimal(usage.quantity);
  const terms = readTerms(price.model, price.definition);
  if ('problem' in terms) return { outcome: 'not_computable', why: terms.problem };
  const modifiers = readPeriodTerms(price.modifiers, terms);
  if ('problem' in modifiers) return { outcome: 'not_computable', why: modifiers.problem };
  if (!quantity) return { outcome: 'not_computable', why: 'its quantity does not read' };
  try {
    const computed = quote(
      { terms, modifiers, asset: assetId(price.asset), assetDecimals: price.assetDecimals },
      quantity,
    ).atomic;
    if (computed === paid) return { outcome: 'equal', computed };
    return way === 'exact' && paid === ceiling && computed < paid
      ? { outcome: 'paid_for_more', computed }
      : { outcome: 'differs', computed };
  } catch (error) {
    if (error instanceof Fault) return { outcome: 'not_computable', why: error.message };
    throw error;
  }
}
