import type { Instant } from '@core/time';
import { freeOf, type Grant, inBurnOrder, isUsable } from './grant.js';

/** So much of one grant. */
export interface Part {
  /** `grt_…` */
  readonly grant: string;
  readonly amount: bigint;
}

export interface Burned {
  /** What each grant gave, in the order of giving. */
  readonly parts: readonly Part[];
  /** Use beyond all grants. */
  readonly overage: bigint;
}

/** Takes an amount from sources in their order, from each as much as it has. */
export function drain(sources: Iterable<readonly [grant: string, has: bigint]>, amount: bigint): Burned {
  const parts: Part[] = [];
  let left = amount;
  for (const [grant, has] of sources) {
    if (left <= 0n) break;
    const taken = has < left ? has : left;
    if (taken <= 0n) continue;
    parts.push({ grant, amount: taken });
    left -= taken;
  }
  return { parts, overage: left };
}

/** Which grants give how much for a use of a meter at an instant. What is held for other calls is left alone. */
export const burn = (
  grants: readonly Grant[],
  use: { readonly amount: bigint; readonly meter?: string | undefined },
  at: Instant,
): Burned =>
  drain(
    [...grants]
      .filter((grant) => isUsable(grant, use.meter, at))
      .sort(inBurnOrder)
      .map((grant) => [grant.id, freeOf(grant)] as const),
    use.amount,
  );

/**
 * What a reversal gives back: the grants that gave, the last one first, whatever today's order is. `lineage` is in the order of
 * giving, less what earlier reversals gave back.
 */
export const restore = (lineage: readonly Part[], amount: bigint): Burned =>
  drain(
    [...lineage].reverse().map((part) => [part.grant, part.amount] as const),
    amount,
  );

/** The sum of parts by grant, in the order in which each grant is met first. */
export function addUp(parts: readonly Part[]): Part[] {
  const sums = new Map<string, bigint>();
  for (const { grant, amount } of parts) sums.set(grant, (sums.get(grant) ?? 0n) + amount);
  return [...sums].map(([grant, amount]) => ({ grant, amount }));
}

/** What is left of parts after others were taken away. */
export const lessParts = (parts: readonly Part[], taken: readonly Part[]): Part[] =>
  addUp([...parts, ...taken.map(({ grant, amount }) => ({ grant, amount: -amount }))]).filter(
    ({ amount }) => amount > 0n,
  );
