import { Fault } from '@core/faults';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';

/**
 * Seconds of the chain's head block, which is what contracts compare times with.
 * @throws Fault unavailable when the chain has not been seen to move for so long: what it says of a payer may be old then
 */
export async function liveHeadSeconds(chain: ChainReader, clock: Clock, staleSeconds: number): Promise<number> {
  const head = await chain.head();
  const headSeconds = Number(head.timestamp);
  if (clock.now() / 1000 - headSeconds > staleSeconds) {
    throw new Fault(
      'unavailable',
      'The chain has not been seen to move for a while, so no payment can be taken now; try again shortly.',
      { reason: 'chain_head_stale', retryAfterSeconds: 5 },
    );
  }
  return headSeconds;
}
