/** What a transaction offers for one unit of gas, in the chain's native atomic unit (EIP-1559). */
export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** What gas costs now. */
export interface Market {
  readonly baseFee: bigint;
  readonly priorityFee: bigint;
}

/**
 * Nodes take a replacement only when both fees rise by a tenth. Twelve per cent, rounded up, is above every rounding of
 * theirs.
 */
const RAISE_PER_CENT = 112n;

const raised = (fee: bigint): bigint => (fee * RAISE_PER_CENT + 99n) / 100n;
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/**
 * The fees of a first attempt: room for the base fee to double, within the cap. Undefined while the market is above the
 * cap: then it is better to wait than to sign what will not be mined.
 */
export function firstFees(market: Market, cap: bigint): Fees | undefined {
  const needed = market.baseFee + market.priorityFee;
  if (needed > cap) return undefined;
  return {
    maxFeePerGas: smaller(market.baseFee * 2n + market.priorityFee, cap),
    maxPriorityFeePerGas: market.priorityFee,
  };
}

/**
 * The fees of a replacement: both at least twelve per cent above the last ones, and no lower than a first attempt's would be
 * now. Undefined when that would go above the cap.
 */
export function replacementFees(previous: Fees, market: Market, cap: bigint): Fees | undefined {
  const fresh = firstFees(market, cap);
  const maxPriorityFeePerGas = larger(raised(previous.maxPriorityFeePerGas), fresh?.maxPriorityFeePerGas ?? 0n);
  const maxFeePerGas = larger(larger(raised(previous.maxFeePerGas), fresh?.maxFeePerGas ?? 0n), maxPriorityFeePerGas);
  return maxFeePerGas > cap ? undefined : { maxFeePerGas, maxPriorityFeePerGas };
}
