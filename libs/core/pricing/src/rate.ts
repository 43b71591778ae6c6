import { Fault } from '@core/faults';
import {
  type Amount,
  type Decimal,
  ZERO,
  addDecimals,
  amount,
  decimal,
  fromAtomic,
  multiplyDecimals,
  negateDecimal,
  roundDecimal,
  subtractDecimals,
  toAtomic,
} from '@core/money';
import type { Period } from '@core/time';
import { PLAIN_PERIOD, type PeriodTerms, type Prorated } from './period-terms.js';
import { SURE_PLACES, type Share, shareOf, shareOfMoney } from './proration.js';
import type { PriceTerms } from './price-terms.js';
import type { Priced } from './price-version.js';
import { type RatedUsage, addUsage, usageOfRequest } from './rated-usage.js';

/** One line of a period's charge, in whole units of the asset. */
export interface LinePart {
  readonly kind: 'usage' | 'discount' | 'maximum' | 'minimum' | 'overage' | 'true_up';
  /** Below zero for what is taken off. */
  readonly exact: Decimal;
  /** What was priced, less discounted units; on the usage line only. */
  readonly quantity?: Decimal;
}

/** Which time the usage is of, and what of its period was billed already. */
export interface RatingContext {
  /** The time this usage is of and this price covers. */
  readonly covered: Period;
  /** The whole billing period. */
  readonly period: Period;
  /** The IANA zone days are counted in. */
  readonly zone: string;
  /** Whether nothing of the counted time follows: then a minimum or commitment is made up. */
  readonly last: boolean;
  /** Usage of the same counter billed earlier: by a version this one continues, or in a part. */
  readonly before?: RatedUsage;
  /** What that usage cost (`costOf` of its lines). */
  readonly beforeCost?: Decimal;
  /** The time tiers and allowances, minimum, maximum and commitment are counted over; `covered` when absent. */
  readonly counted?: Period;
}

/**
 * All lines of one period at one version: usage discount, price, percentage discount, maximum, then commitment or
 * minimum. Exact; their sum is what is rounded. Without a context the usage is of a whole period.
 */
export const rateExactly = (price: Priced, usage: RatedUsage, context?: RatingContext): readonly LinePart[] =>
  linesOf(price, usage, context, context?.last ?? true);

function linesOf(
  price: Priced,
  usage: RatedUsage,
  context: RatingContext | undefined,
  last: boolean,
): readonly LinePart[] {
  const modifiers = price.modifiers ?? PLAIN_PERIOD;
  const before = context?.beforeCost ?? ZERO;
  const { exact: gross, quantity } = priceUsage(price.terms, modifiers, usage, context);
  const lines: LinePart[] = [{ kind: 'usage', exact: gross, quantity }];
  const add = (kind: LinePart['kind'], exact: Decimal): void => {
    if (exact.units !== 0n) lines.push({ kind, exact });
  };
  const whole = (of: Prorated, value: Decimal): Decimal => {
    const share = shareIn(modifiers, of, context);
    return share ? shareOfMoney(value, share) : value;
  };

  if (modifiers.discount) add('discount', negateDecimal(multiplyDecimals(gross, modifiers.discount)));
  if (modifiers.maximum) {
    const room = atLeastZero(subtractDecimals(whole('maximum', modifiers.maximum), before));
    add('maximum', negateDecimal(atLeastZero(subtractDecimals(costOf(lines), room))));
  }
  const spent = addDecimals(before, costOf(lines));
  if (modifiers.commitment) {
    const { amount: promise, overageFactor, trueUp } = modifiers.commitment;
    const promised = whole('commitment', promise);
    const beyond = (cost: Decimal): Decimal => atLeastZero(subtractDecimals(cost, promised));
    const surcharge = subtractDecimals(overageFactor, decimal(1n));
    add('overage', multiplyDecimals(subtractDecimals(beyond(spent), beyond(before)), surcharge));
    if (trueUp && last) add('true_up', atLeastZero(subtractDecimals(promised, spent)));
  }
  if (modifiers.minimum && last) {
    add('minimum', atLeastZero(subtractDecimals(whole('minimum', modifiers.minimum), spent)));
  }
  return lines;
}

/** What usage costs after discounted units, as the difference to what was billed of the same counter before. */
function priceUsage(
  terms: PriceTerms,
  modifiers: PeriodTerms,
  usage: RatedUsage,
  context: RatingContext | undefined,
): { readonly exact: Decimal; readonly quantity: Decimal } {
  const allowances = shareIn(modifiers, 'allowances', context);
  const flat = shareIn(modifiers, 'flat', context);
  const counted = (allowances && terms.prorated?.('allowances', allowances)) ?? terms;
  const less = (some: RatedUsage): RatedUsage => lessUnits(some, modifiers.usageDiscount);
  // A prorated flat amount is of the covered time alone, so nothing of it was billed before. What depends on usage is not flat.
  const ofCoveredTime = flat && terms.needs.length === 0 ? counted.prorated?.('flat', flat) : undefined;
  const covered = ofCoveredTime ?? counted;
  if (!context?.before || ofCoveredTime) {
    const priced = less(usage);
    return { exact: covered.cost(priced), quantity: priced.quantity };
  }
  const after = less(addUsage(context.before, usage));
  const before = less(context.before);
  return {
    exact: subtractDecimals(counted.cost(after), counted.cost(before)),
    quantity: subtractDecimals(after.quantity, before.quantity),
  };
}

/** The share of the period something is prorated to; undefined when it is not. Flat amounts go by the covered time. */
function shareIn(modifiers: PeriodTerms, of: Prorated, context: RatingContext | undefined): Share | undefined {
  if (!context || !modifiers.proration?.of.includes(of)) return undefined;
  const span = of === 'flat' ? context.covered : (context.counted ?? context.covered);
  return shareOf(span, context.period, modifiers.proration.by, context.zone);
}

/** Units that are not priced come off the magnitude, so that a net credit is lessened too. */
function lessUnits(usage: RatedUsage, discount: Decimal | undefined): RatedUsage {
  if (!discount) return usage;
  const credit = usage.quantity.units < 0n;
  const left = atLeastZero(subtractDecimals(credit ? negateDecimal(usage.quantity) : usage.quantity, discount));
  return { ...usage, quantity: credit ? negateDecimal(left) : left };
}

const atLeastZero = (value: Decimal): Decimal => (value.units < 0n ? ZERO : value);

const sumOf = (lines: readonly LinePart[]): Decimal => lines.reduce((sum, { exact }) => addDecimals(sum, exact), ZERO);

const COST: ReadonlySet<LinePart['kind']> = new Set(['usage', 'discount', 'maximum']);

/** The cost of usage in some lines: what a maximum, minimum or commitment is compared with, without what they added. */
export const costOf = (lines: readonly LinePart[]): Decimal => sumOf(lines.filter(({ kind }) => COST.has(kind)));

/**
 * What usage is charged: the sum of its lines, rounded once as the price says. What costs anything costs at least one
 * atomic unit, so that no call is free for being cheap, unless the price carries its fractions: then the units that are
 * whole are charged, and the rest is for `carryFraction`.
 * @param usage a quantity alone stands for one request of that quantity
 */
export const rate = (price: Priced, usage: RatedUsage | Decimal, context?: RatingContext): Amount =>
  amount(price.asset, settle(price, sumOf(rateExactly(price, usageFrom(usage), context))));

const usageFrom = (usage: RatedUsage | Decimal): RatedUsage => ('quantity' in usage ? usage : usageOfRequest(usage));

function settle(price: Priced, exact: Decimal): bigint {
  const { fraction, rounding, proration } = price.modifiers ?? PLAIN_PERIOD;
  if (fraction === 'carry') return carryFraction(ZERO, exact, price.assetDecimals).atomic;
  const meant = withoutResidue(exact);
  const rounded = toAtomic(meant, price.assetDecimals, rounding);
  const owed = proration ? meant : exact;
  if (rounded !== 0n || owed.units === 0n) return rounded;
  return owed.units > 0n ? 1n : -1n;
}

/**
 * Thirds that sum to a whole differ from it in the last of the places they were kept with, and a rounding that goes up or
 * down would make a unit of that; they may come from an earlier price that this one continues. No amount that is no whole is
 * as near to one as this.
 */
const withoutResidue = (exact: Decimal): Decimal => roundDecimal(exact, SURE_PLACES, 'half-even');

/** The lines in atomic units, summing to exactly what `rate` charges: each is the step its exact amount makes in the sum. */
export function roundLines(price: Priced, lines: readonly LinePart[]): bigint[] {
  let exact = ZERO;
  let charged = 0n;
  return lines.map((line) => {
    exact = addDecimals(exact, line.exact);
    const step = settle(price, exact) - charged;
    charged += step;
    return step;
  });
}

/** Why one request cannot be quoted at this price; undefined when it can. */
export function unquotable({ terms, modifiers = PLAIN_PERIOD }: Priced): string | undefined {
  if (terms.unquotable !== undefined) return terms.unquotable;
  const whole = (['usageDiscount', 'maximum', 'minimum', 'commitment'] as const).find((name) => modifiers[name]);
  if (whole !== undefined) {
    return `Its ${whole === 'usageDiscount' ? 'usage discount' : whole} is of a whole period, which one request does not know.`;
  }
  return modifiers.fraction === 'carry'
    ? 'It carries fractions to a next charge, and one payment has none.'
    : undefined;
}

/**
 * What one request costs when it is paid by itself: the charge for the same usage, to the unit.
 * @throws Fault unprocessable (`price_not_per_request`) when the price needs a whole period
 */
export function quote(price: Priced, usage: RatedUsage | Decimal): Amount {
  const why = unquotable(price);
  if (why !== undefined) {
    throw new Fault('unprocessable', `This ${price.terms.model} price cannot be quoted for one request. ${why}`, {
      reason: 'price_not_per_request',
    });
  }
  return rate(price, usage);
}

/**
 * A part of a period that is billed before the rest: what the usage so far costs more than what was billed. The first
 * part has no usage before it, which is not the same as usage of zero: a flat fee is charged once, with the first.
 * @throws Fault unprocessable (`billed_at_end`) when the price is billed at the end only and this part is not the last
 */
export function ratePart(
  price: Priced,
  before: RatedUsage | undefined,
  now: RatedUsage,
  context?: RatingContext,
): Amount {
  const why = context?.last ? undefined : billedAtEnd(price);
  if (why !== undefined) throw new Fault('unprocessable', why, { reason: 'billed_at_end' });
  const charged = (usage: RatedUsage, last: boolean): bigint =>
    settle(price, sumOf(linesOf(price, usage, context, last)));
  const total = charged(before ? addUsage(before, now) : now, context?.last ?? false);
  return amount(price.asset, before ? total - charged(before, false) : total);
}

/** Why a part cannot be billed before the period ends; undefined when it can. */
const billedAtEnd = ({ terms, modifiers }: Priced): string | undefined =>
  terms.indivisible ??
  (modifiers?.billing === 'at_end' ? 'This price is billed when its period has ended.' : undefined);

/**
 * Charges the whole atomic units of what was carried and what is owed now; the rest, less than one unit, is carried on. In
 * whatever order, the sum charged is the exact sum rounded down.
 * @param exact whole units of the asset; below zero for a credit
 */
export function carryFraction(
  carried: Decimal,
  exact: Decimal,
  decimals: number,
): { readonly atomic: bigint; readonly carried: Decimal } {
  const owed = addDecimals(carried, exact);
  const meant = withoutResidue(owed);
  const towardsZero = toAtomic(meant, decimals, 'down');
  const left = subtractDecimals(meant, fromAtomic(towardsZero, decimals));
  const atomic = left.units < 0n ? towardsZero - 1n : towardsZero;
  return { atomic, carried: subtractDecimals(owed, fromAtomic(atomic, decimals)) };
}
