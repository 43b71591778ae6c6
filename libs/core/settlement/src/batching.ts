/** Earliest end first, ties by id: what has the least time left goes first. */
export const inSettlingOrder = <Item extends { readonly id: string; readonly validBefore: bigint }>(
  items: readonly Item[],
): Item[] =>
  [...items].sort((a, b) =>
    a.validBefore === b.validBefore ? (a.id < b.id ? -1 : 1) : a.validBefore < b.validBefore ? -1 : 1,
  );

/** Two halves, the first one no smaller. Of a batch that is turned down as a whole, each half is tried by itself. */
export function bisect<Item>(items: readonly Item[]): readonly [readonly Item[], readonly Item[]] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;

/** How long to wait before the next attempt: half a second, doubled with every attempt made, ten seconds at most. */
export const retryDelayMs = (attempts: number): number =>
  Math.min(FIRST_DELAY_MS * 2 ** Math.min(Math.max(attempts - 1, 0), 10), LONGEST_DELAY_MS);

const HOUR = 3600n;

/**
 * How far back (Unix seconds) to search for the use of an authorization that was claimed at a time: an hour before, and
 * twice as far with every attempt, as somebody may have used it before it was presented to us.
 */
export const searchSince = (claimedAt: bigint, attempts: number): bigint => {
  const since = claimedAt - HOUR * 2n ** BigInt(Math.min(Math.max(attempts - 1, 0), 16));
  return since > 0n ? since : 0n;
};
