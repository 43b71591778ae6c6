import { Fault } from '@core/faults';
import { type Decimal, multiplyDecimals } from '@core/money';
import { DefinitionReader, type PriceDefinitionJson, canonical } from '../definition.js';
import type { PriceModel } from '../price-terms.js';
import { tupleKey } from '../rated-usage.js';
import { dimensionsOf, foldedBy } from './groups.js';

interface Cell {
  readonly match: Readonly<Record<string, string>>;
  readonly rate: Decimal;
}

/**
 * A rate for each tuple of dimensions. A tuple that has none is charged the default, and without a default it is an
 * error: usage nobody priced is never silently free.
 */
export const matrix: PriceModel = (definition) => {
  const read = new DefinitionReader('A matrix price', definition, ['dimensions', 'rates', 'default']);
  const dimensions = dimensionsOf(read, 'dimensions');
  const rates = new Map<string, Cell>();
  for (const [i, entry] of read.list('rates', 'rates', 10_000).entries()) {
    const cell = readCell(entry, i + 1, dimensions, read);
    const key = tupleKey(cell.match, dimensions);
    if (rates.has(key)) read.refuse(`Rate ${i + 1} matches ${tupleText(cell.match)}, which has a rate already.`);
    rates.set(key, cell);
  }
  const otherwise = read.optionalDecimal('default');
  if (read.problem !== undefined) return { problem: read.problem };
  const rateOf = (tuple: Readonly<Record<string, string>>): Decimal => {
    const rate = rates.get(tupleKey(tuple, dimensions))?.rate ?? otherwise;
    if (rate) return rate;
    throw new Fault(
      'unprocessable',
      `The matrix price has no rate for ${tupleText(tuple) || 'usage without dimensions'} and no default. Add a version that has one.`,
      { reason: 'no_rate', details: { dimensions: tuple } },
    );
  };
  return {
    model: 'matrix',
    definition: canonical({
      dimensions,
      rates: [...rates.values()].map(written),
      default: otherwise,
    }),
    needs: ['quantity', 'groups'],
    groupBy: dimensions,
    cost: (usage) =>
      foldedBy(usage, dimensions, 'matrix', (quantity, tuple) =>
        quantity.units === 0n ? quantity : multiplyDecimals(quantity, rateOf(tuple)),
      ),
  };
};

const written = ({ match, rate }: Cell): PriceDefinitionJson => canonical({ match, rate });

const tupleText = (tuple: Readonly<Record<string, string>>): string =>
  Object.entries(tuple)
    .map(([name, value]) => `${name} "${value.slice(0, 64)}"`)
    .join(', ');

function readCell(entry: unknown, place: number, dimensions: readonly string[], matrix: DefinitionReader): Cell {
  const read = new DefinitionReader(`Rate ${place}`, entry, ['match', 'rate']);
  const match = new DefinitionReader(`The match of rate ${place}`, read.raw('match'), dimensions);
  const values = dimensions.map((name) => [name, match.text(name, 'a value of that dimension')] as const);
  const rate = read.decimal('rate');
  const problem = read.problem ?? match.problem;
  if (problem !== undefined) matrix.refuse(problem);
  return { match: Object.fromEntries(values), rate };
}
