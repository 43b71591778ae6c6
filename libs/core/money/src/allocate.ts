import { Fault } from '@core/faults';

/**
 * Splits `total` atomic units over weights so that the shares sum to it exactly: each share is floored, and the units
 * left over go to the largest remainders, ties by position (the largest-remainder method).
 * @throws Fault invariant_broken when the total or a weight is negative or all weights are zero.
 */
export function allocate(total: bigint, weights: readonly bigint[]): bigint[] {
  const sum = weights.reduce((a, b) => a + b, 0n);
  if (total < 0n || sum <= 0n || weights.some((weight) => weight < 0n)) {
    throw new Fault(
      'invariant_broken',
      'an allocation needs a total of zero or more and weights that sum to more than zero',
    );
  }
  const shares = weights.map((weight, position) => ({
    position,
    share: (total * weight) / sum,
    remainder: (total * weight) % sum,
  }));
  const left = total - shares.reduce((a, { share }) => a + share, 0n);
  const inOrder = [...shares].sort((a, b) =>
    a.remainder === b.remainder ? a.position - b.position : a.remainder > b.remainder ? -1 : 1,
  );
  const lucky = new Set(inOrder.slice(0, Number(left)).map(({ position }) => position));
  return shares.map(({ share, position }) => (lucky.has(position) ? share + 1n : share));
}
