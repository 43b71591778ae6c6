import { type Decimal, multiplyDecimals } from '@core/money';
import { DefinitionReader, canonical } from '../definition.js';
import type { PriceModel } from '../price-terms.js';
import { needed } from '../rated-usage.js';

const ONCE: Decimal = { units: 1n, scale: 0 };

/** The cost the events carry themselves, times a multiplier. */
export const dynamic: PriceModel = (definition) => {
  const read = new DefinitionReader('A dynamic price', definition, ['multiplier']);
  const multiplier = read.optionalDecimal('multiplier');
  if (read.problem !== undefined) return { problem: read.problem };
  return {
    model: 'dynamic',
    definition: canonical({ multiplier }),
    needs: ['quantity', 'cost'],
    groupBy: [],
    cost: (usage) => multiplyDecimals(needed(usage.cost, 'dynamic', 'the costs its events carry'), multiplier ?? ONCE),
  };
};
