import { type Decimal, ZERO, addDecimals } from '@core/money';
import { type Priced, rateExactly, type RatedUsage } from '@core/pricing';

/** Usage of nothing, whatever a price asks about it. */
export const UNUSED: RatedUsage = { quantity: ZERO, values: [], cost: ZERO, groups: [], buckets: {} };

export const sumOf = (lines: readonly { readonly exact: Decimal }[]): Decimal =>
  lines.reduce((sum, { exact }) => addDecimals(sum, exact), ZERO);

/** Whether a price asks for something though nothing is used: a flat amount, a minimum, a commitment to make up. */
export const paysWithoutUsage = (price: Priced): boolean => sumOf(rateExactly(price, UNUSED)).units !== 0n;

/** Whether something was used at all. What sums to nothing, but has values or costs, was used. */
export const isUsed = ({ quantity, values, cost, groups, buckets }: RatedUsage): boolean =>
  quantity.units !== 0n ||
  (values?.some(({ count }) => count !== 0n) ?? false) ||
  (cost !== undefined && cost.units !== 0n) ||
  (groups?.some((group) => group.quantity.units !== 0n) ?? false) ||
  Object.values(buckets ?? {}).some(({ units }) => units !== 0n);

/** Whether the last word on a period is spoken when it has ended: a minimum or commitment to make up, or the whole of it. */
export const endsLate = ({ modifiers }: Priced): boolean =>
  modifiers !== undefined &&
  (modifiers.billing === 'at_end' || modifiers.minimum !== undefined || modifiers.commitment?.trueUp === true);
