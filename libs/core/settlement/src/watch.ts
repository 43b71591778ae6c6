import type { Hex } from '@core/x402';
import type { BlockRef } from './rail.js';
import type { TransactionState } from './transaction-states.js';

/** A transaction of ours as it is stored. */
export interface Watched {
  readonly state: TransactionState;
  readonly nonce: bigint;
  /** Where it was mined; undefined before. */
  readonly block: BlockRef | undefined;
  /** Hashes of candidates that only use the nonce. */
  readonly fillers: readonly Hex[];
  /** The candidate that was mined; undefined before. */
  readonly hash: Hex | undefined;
  /** Milliseconds since the newest candidate was signed. */
  readonly candidateAgeMs: number;
  /** Milliseconds since the newest candidate was last sent; undefined when it never was. */
  readonly sentAgoMs: number | undefined;
}

/** What the chain shows of it. */
export interface Sighting {
  readonly head: bigint;
  readonly finalized: bigint;
  /** The receipt of any candidate. Looked for before it is mined. */
  readonly receipt: { readonly hash: Hex; readonly success: boolean; readonly block: BlockRef } | undefined;
  /** The hash now at the height where it was mined; undefined when that was not asked or the height is above the head. */
  readonly hashAtBlock: Hex | undefined;
  /** The signer's next nonce now and in the newest final block. Looked for when there is no receipt. */
  readonly nextNonce: { readonly latest: bigint; readonly finalized: bigint } | undefined;
}

interface Patience {
  /** After so long without a receipt the same bytes are sent again. */
  readonly resendAfterMs: number;
  /** After so long without a receipt the fees are raised. */
  readonly replaceAfterMs: number;
}

/**
 * The next step for a transaction. mined, reverted: record the receipt · reopen: its block is gone, so send it again · final,
 * dropped: nothing more can change · send: hand the newest bytes to a node · replace: sign it again with higher fees · stolen:
 * something that is not ours has used the nonce for good.
 */
export type Step = 'wait' | 'send' | 'replace' | 'mined' | 'reverted' | 'reopen' | 'final' | 'dropped' | 'stolen';

/** Decides the next step. A transaction that has no receipt is never given up because of time. */
export function nextStep(watched: Watched, seen: Sighting, patience: Patience): Step {
  if (watched.state === 'final' || watched.state === 'dropped') return 'wait';
  if (watched.state === 'mined' || watched.state === 'reverted') return afterMining(watched, seen);
  if (seen.receipt) return seen.receipt.success ? 'mined' : 'reverted';
  const { nextNonce } = seen;
  if (nextNonce && nextNonce.finalized > watched.nonce) return 'stolen';
  if (watched.sentAgoMs === undefined) return 'send';
  // Only the transaction that is next in line can be helped by a higher fee; those behind it wait for it.
  const isNext = nextNonce !== undefined && nextNonce.latest === watched.nonce;
  if (isNext && watched.candidateAgeMs >= patience.replaceAfterMs) return 'replace';
  return watched.sentAgoMs >= patience.resendAfterMs ? 'send' : 'wait';
}

function afterMining(watched: Watched, seen: Sighting): Step {
  const { block } = watched;
  if (!block) return 'reopen';
  if (seen.hashAtBlock === undefined) return 'wait';
  if (seen.hashAtBlock !== block.hash) return 'reopen';
  if (block.number > seen.finalized) return 'wait';
  return watched.hash !== undefined && watched.fillers.includes(watched.hash) ? 'dropped' : 'final';
}
