import { type Decimal, ZERO, addDecimals } from '@core/money';
import type { DefinitionReader } from '../definition.js';
import { type GroupedQuantity, type RatedUsage, needed, tupleKey } from '../rated-usage.js';

const MOST_DIMENSIONS = 8;

/** Reads a list of dimension names, none twice. */
export function dimensionsOf(read: DefinitionReader, field: string): readonly string[] {
  const entries = read.list(field, 'names of dimensions', MOST_DIMENSIONS);
  const names = entries.filter(
    (name): name is string => typeof name === 'string' && name.length > 0 && name.length <= 64,
  );
  if (names.length < entries.length) read.refuse(`${read.subject}: "${field}" lists dimensions by name.`);
  if (new Set(names).size < names.length) read.refuse(`${read.subject}: "${field}" has a dimension twice.`);
  return names;
}

/**
 * The quantity of each tuple of some dimensions. Finer groups are summed, so a price may use fewer dimensions than the
 * usage was grouped by.
 */
function tuplesOf(usage: RatedUsage, names: readonly string[], model: string): readonly GroupedQuantity[] {
  const sums = new Map<string, GroupedQuantity>();
  for (const { dimensions, quantity } of needed(usage.groups, model, `groups by ${names.join(', ')}`)) {
    const key = tupleKey(dimensions, names);
    const before = sums.get(key);
    const tuple = Object.fromEntries(Object.entries(dimensions).filter(([name]) => names.includes(name)));
    sums.set(key, { dimensions: tuple, quantity: addDecimals(before?.quantity ?? ZERO, quantity) });
  }
  return [...sums.values()];
}

/** Each tuple's quantity priced by itself, summed: a counter for every group. */
export const foldedBy = (
  usage: RatedUsage,
  names: readonly string[],
  model: string,
  cost: (quantity: Decimal, dimensions: Readonly<Record<string, string>>) => Decimal,
): Decimal =>
  tuplesOf(usage, names, model).reduce(
    (sum, { quantity, dimensions }) => addDecimals(sum, cost(quantity, dimensions)),
    ZERO,
  );
