import type { ChannelOnChain } from './channel-rail.js';

/** What a channel still owes us by the chain: the running total to claim next, if there is one, and what it can no longer pay. */
interface ClaimPlan {
  /** A running total, as claims are; undefined when there is nothing to claim. */
  readonly claim: bigint | undefined;
  /** Of what was charged, the part that the channel does not hold. Final only if the block it was read in is. */
  readonly short: bigint;
}

/**
 * What to claim from a channel that was charged so much in all. A claim above the balance is refused as a whole, so where the payer
 * has taken value out, what is left is claimed and the rest is short.
 */
export function planClaim(charged: bigint, channel: ChannelOnChain): ClaimPlan {
  const within = charged < channel.balance ? charged : channel.balance;
  const reached = within > channel.totalClaimed ? within : channel.totalClaimed;
  return {
    claim: reached > channel.totalClaimed ? reached : undefined,
    short: charged > reached ? charged - reached : 0n,
  };
}
