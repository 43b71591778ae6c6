import { Fault } from '@core/faults';
import { type Decimal, ZERO, addDecimals } from '@core/money';

/** What a price may need to know of the usage it rates. */
export type UsageNeed = 'quantity' | 'values' | 'cost' | 'groups' | 'hours';

/** How many events carried a value. */
export interface CountedValue {
  readonly value: Decimal;
  readonly count: bigint;
}

/** The quantity of one tuple of dimensions. A dimension an event did not carry is left out of its tuple. */
export interface GroupedQuantity {
  readonly dimensions: Readonly<Record<string, string>>;
  readonly quantity: Decimal;
}

/** An account's usage of a meter in a span of time, as prices see it. */
export interface RatedUsage {
  /** Billable quantity of the period, after the meter's conversion and rounding. */
  readonly quantity: Decimal;
  /** need 'values': how many events had which value (percentage prices). */
  readonly values?: readonly CountedValue[];
  /** need 'cost': sum of the costs carried on events (dynamic prices), in whole units of the asset. */
  readonly cost?: Decimal;
  /** need 'groups': quantity per tuple of dimensions (matrix prices; tiers per group). */
  readonly groups?: readonly GroupedQuantity[];
  /** need 'hours': quantity per bucket of the price's time-of-day table, by bucket name. */
  readonly buckets?: Readonly<Record<string, Decimal>>;
}

/** The usage one request is: its quantity is also the one value it carries. */
export const usageOfRequest = (quantity: Decimal): RatedUsage => ({
  quantity,
  values: [{ value: quantity, count: 1n }],
});

/** Two spans' usage together, for meters whose quantities add up (count, sum, duration, level). */
export function addUsage(a: RatedUsage, b: RatedUsage): RatedUsage {
  return {
    quantity: addDecimals(a.quantity, b.quantity),
    ...both(a.values, b.values, 'values', (x, y) => [...x, ...y]),
    ...both(a.cost, b.cost, 'cost', addDecimals),
    ...both(a.groups, b.groups, 'groups', addGroups),
    ...both(a.buckets, b.buckets, 'buckets', addBuckets),
  };
}

function both<Name extends keyof RatedUsage, Value>(
  a: Value | undefined,
  b: Value | undefined,
  name: Name,
  add: (a: Value, b: Value) => Value,
): Partial<Record<Name, Value>> {
  const value = a !== undefined && b !== undefined ? add(a, b) : (a ?? b);
  const result: Partial<Record<Name, Value>> = {};
  if (value !== undefined) result[name] = value;
  return result;
}

/** The key of a tuple, whatever order its dimensions were written in. */
export const tupleKey = (
  dimensions: Readonly<Record<string, string>>,
  names: readonly string[] = Object.keys(dimensions),
): string => JSON.stringify([...names].sort().map((name) => [name, dimensions[name] ?? null]));

function addGroups(a: readonly GroupedQuantity[], b: readonly GroupedQuantity[]): readonly GroupedQuantity[] {
  const sums = new Map<string, GroupedQuantity>();
  for (const group of [...a, ...b]) {
    const key = tupleKey(group.dimensions);
    const before = sums.get(key);
    sums.set(key, before ? { ...group, quantity: addDecimals(before.quantity, group.quantity) } : group);
  }
  return [...sums.values()];
}

function addBuckets(
  a: Readonly<Record<string, Decimal>>,
  b: Readonly<Record<string, Decimal>>,
): Readonly<Record<string, Decimal>> {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, addDecimals(a[name] ?? ZERO, b[name] ?? ZERO)]));
}

/** @throws Fault unprocessable (`usage_needed`): the price cannot be reckoned from what it was given */
export function needed<Value>(value: Value | undefined, model: string, what: string): Value {
  if (value !== undefined) return value;
  throw new Fault('unprocessable', `A ${model} price is reckoned from ${what}, which this usage does not carry.`, {
    reason: 'usage_needed',
  });
}
