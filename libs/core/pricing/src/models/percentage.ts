import {
  type Decimal,
  ZERO,
  addDecimals,
  compareDecimals,
  decimal,
  divideDecimals,
  formatDecimal,
  multiplyDecimals,
  negateDecimal,
  subtractDecimals,
} from '@core/money';
import { DefinitionReader, canonical } from '../definition.js';
import type { PriceModel, PriceTerms } from '../price-terms.js';
import { shareOfQuantity } from '../proration.js';
import { type CountedValue, needed } from '../rated-usage.js';
import { beyond, mirrored } from './unit-prices.js';

interface PerEvent {
  readonly rate: Decimal;
  readonly fee: Decimal | undefined;
  readonly least: Decimal | undefined;
  readonly most: Decimal | undefined;
  readonly freeBase: Decimal | undefined;
  readonly freeEvents: bigint;
}

/** Events that cost the same. */
interface Costing {
  readonly each: Decimal;
  readonly count: bigint;
}

/**
 * A fraction of a value. With a fee, free events, or bounds per event it is reckoned event by event; else from the
 * quantity alone.
 */
export const percentage: PriceModel = (definition) => {
  const fields = ['rate', 'fee', 'freeBase', 'freeEvents', 'minPerEvent', 'maxPerEvent'];
  const read = new DefinitionReader('A percentage price', definition, fields);
  const rate = read.decimal('rate');
  const fee = read.optionalDecimal('fee');
  const freeBase = read.optionalDecimal('freeBase');
  const freeEvents = read.optionalDecimal('freeEvents');
  const least = read.optionalDecimal('minPerEvent');
  const most = read.optionalDecimal('maxPerEvent');
  if (freeEvents && freeEvents.scale > 0) read.refuse('A percentage price: "freeEvents" must be a whole number.');
  if (least && most && compareDecimals(least, most) > 0) {
    read.refuse(
      `A percentage price: "minPerEvent" ${formatDecimal(least)} is above "maxPerEvent" ${formatDecimal(most)}.`,
    );
  }
  if (read.problem !== undefined) return { problem: read.problem };
  const perEvent = [fee, freeEvents, least, most].some((bound) => bound !== undefined);
  const written = canonical({ rate, fee, freeBase, freeEvents, minPerEvent: least, maxPerEvent: most });
  const terms = (rules: PerEvent): PriceTerms => ({
    model: 'percentage',
    definition: written,
    needs: perEvent ? ['quantity', 'values'] : ['quantity'],
    groupBy: [],
    cost: (usage) =>
      perEvent
        ? costOfEvents(needed(usage.values, 'percentage', 'the values of its events'), rules)
        : mirrored(usage.quantity, (base) => multiplyDecimals(beyond(base, rules.freeBase), rate)),
    prorated: (what, share) =>
      terms(
        what === 'flat'
          ? rules
          : {
              ...rules,
              freeBase: rules.freeBase && shareOfQuantity(rules.freeBase, share),
              // Events are whole: a share of them is rounded up, in doubt for the payer.
              freeEvents: (rules.freeEvents * share.part + share.whole - 1n) / share.whole,
            },
      ),
  });
  return terms({ rate, fee, least, most, freeBase, freeEvents: freeEvents?.units ?? 0n });
};

/** Events of a value below zero are credits: they are priced as their magnitudes are, and negated. */
function costOfEvents(values: readonly CountedValue[], rules: PerEvent): Decimal {
  const charges = values.filter(({ value }) => value.units >= 0n);
  const credits = values.filter(({ value }) => value.units < 0n);
  const credited = credits.map(({ value, count }) => ({ value: negateDecimal(value), count }));
  return subtractDecimals(costOfCharges(charges, rules), costOfCharges(credited, rules));
}

/**
 * Which events are free must not depend on the order they came in. The free base is used up by the smallest values
 * first, and of what then costs anything, the dearest events are free: in doubt less is billed.
 */
function costOfCharges(values: readonly CountedValue[], rules: PerEvent): Decimal {
  const bySize = [...values].sort((a, b) => compareDecimals(a.value, b.value));
  const costing: Costing[] = [];
  let free = rules.freeBase ?? ZERO;
  for (const { value, count } of bySize) {
    const covered = coveredBy(free, value, count);
    free = subtractDecimals(free, multiplyDecimals(value, decimal(covered)));
    costing.push({ each: capped(rules.fee ?? ZERO, rules), count: covered });
    const partly = covered < count && free.units > 0n ? 1n : 0n;
    costing.push({ each: costOfEvent(subtractDecimals(value, free), rules), count: partly });
    if (partly > 0n) free = ZERO;
    costing.push({ each: costOfEvent(value, rules), count: count - covered - partly });
  }
  return withoutDearest(costing, rules.freeEvents);
}

/** How many events of a value the free base covers whole. What costs nothing at the rate has no minimum either. */
function coveredBy(free: Decimal, value: Decimal, count: bigint): bigint {
  if (free.units === 0n) return 0n;
  if (value.units === 0n) return count;
  const fits = divideDecimals(free, value, 0, 'down').units;
  return fits < count ? fits : count;
}

function costOfEvent(value: Decimal, rules: PerEvent): Decimal {
  const cost = addDecimals(multiplyDecimals(value, rules.rate), rules.fee ?? ZERO);
  return capped(rules.least && compareDecimals(cost, rules.least) < 0 ? rules.least : cost, rules);
}

const capped = (cost: Decimal, { most }: PerEvent): Decimal => (most && compareDecimals(cost, most) > 0 ? most : cost);

function withoutDearest(costing: readonly Costing[], freeEvents: bigint): Decimal {
  let free = freeEvents;
  return [...costing]
    .sort((a, b) => compareDecimals(b.each, a.each))
    .reduce((sum, { each, count }) => {
      const paid = count > free ? count - free : 0n;
      free -= count - paid;
      return addDecimals(sum, multiplyDecimals(each, decimal(paid)));
    }, ZERO);
}
