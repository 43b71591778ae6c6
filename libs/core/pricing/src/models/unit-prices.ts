import { type Decimal, ZERO, divideDecimals, multiplyDecimals, negateDecimal, subtractDecimals } from '@core/money';
import { DefinitionReader, canonical } from '../definition.js';
import type { PriceModel, PriceTerms } from '../price-terms.js';
import { shareOfMoney, shareOfQuantity } from '../proration.js';

/** The cost of a quantity, where a net credit is the negated cost of its magnitude. */
export const mirrored = (quantity: Decimal, cost: (magnitude: Decimal) => Decimal): Decimal =>
  quantity.units < 0n ? negateDecimal(cost(negateDecimal(quantity))) : cost(quantity);

/** What is left of a quantity once an allowance is used up. */
export function beyond(quantity: Decimal, allowance: Decimal | undefined): Decimal {
  if (!allowance) return quantity;
  const left = subtractDecimals(quantity, allowance);
  return left.units < 0n ? ZERO : left;
}

/** An amount per period, whatever was used. */
export const flat: PriceModel = (definition) => {
  const read = new DefinitionReader('A flat price', definition, ['amount']);
  const amount = read.decimal('amount');
  if (read.problem !== undefined) return { problem: read.problem };
  const terms = (charged: Decimal): PriceTerms => ({
    model: 'flat',
    definition: canonical({ amount }),
    needs: [],
    groupBy: [],
    unquotable: 'It is an amount for a whole period, not for a request.',
    cost: () => charged,
    prorated: (what, share) => terms(what === 'flat' ? shareOfMoney(charged, share) : charged),
  });
  return terms(amount);
};

/** Quantity beyond an allowance, times a rate. */
export const perUnit: PriceModel = (definition) => {
  const read = new DefinitionReader('A per_unit price', definition, ['rate', 'allowance']);
  const rate = read.decimal('rate');
  const given = read.optionalDecimal('allowance');
  if (read.problem !== undefined) return { problem: read.problem };
  const terms = (allowance: Decimal | undefined): PriceTerms => ({
    model: 'per_unit',
    definition: canonical({ rate, allowance: given }),
    needs: ['quantity'],
    groupBy: [],
    cost: ({ quantity }) => mirrored(quantity, (units) => multiplyDecimals(beyond(units, allowance), rate)),
    prorated: (what, share) =>
      terms(what === 'allowances' && allowance ? shareOfQuantity(allowance, share) : allowance),
  });
  return terms(given);
};

/** An amount for every package begun beyond the free units. */
export const packaged: PriceModel = (definition) => {
  const read = new DefinitionReader('A package price', definition, ['size', 'amount', 'free']);
  const size = read.decimal('size', 'above zero');
  const amount = read.decimal('amount');
  const given = read.optionalDecimal('free');
  if (read.problem !== undefined) return { problem: read.problem };
  const terms = (free: Decimal | undefined): PriceTerms => ({
    model: 'package',
    definition: canonical({ size, amount, free: given }),
    needs: ['quantity'],
    groupBy: [],
    cost: ({ quantity }) =>
      mirrored(quantity, (units) => multiplyDecimals(divideDecimals(beyond(units, free), size, 0, 'up'), amount)),
    prorated: (what, share) => terms(what === 'allowances' && free ? shareOfQuantity(free, share) : free),
  });
  return terms(given);
};
