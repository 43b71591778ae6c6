import type { Hex } from '@core/x402';
import { evidenceIn } from './evidence.js';
import type { AuthorizationEnd, AuthorizedTransfer, BlockRef, ChainView, Receipt } from './rail.js';

/** Why a payment can never be paid, each read in a block that cannot go away. Kept with the failed payment. */
export type NegativeProof =
  | {
      readonly kind: 'expired_unused';
      readonly block: BlockRef;
      readonly timestamp: bigint;
      readonly validBefore: bigint;
    }
  | { readonly kind: 'canceled' | 'used_otherwise'; readonly block: BlockRef; readonly transaction: Hex }
  /** A ceiling: its nonce is used in this block, and no settlement up to the head has paid by it. */
  | { readonly kind: 'used_unpaid'; readonly block: BlockRef; readonly permit2Nonce: bigint };

/**
 * What to do about an authorization that no transaction of ours carries now. included: it was paid, by whomever · failed: proven
 * never to be paid · resubmit: nothing has used it and there is time · wait: the answer is not final, or not found yet.
 */
export type Judgement =
  | { readonly kind: 'included'; readonly receipt: Receipt; readonly logIndex: number }
  | { readonly kind: 'failed'; readonly proof: NegativeProof }
  | { readonly kind: 'resubmit' }
  | { readonly kind: 'wait' };

const WAIT: Judgement = { kind: 'wait' };

export interface Observed {
  readonly view: ChainView;
  readonly usedAtHead: boolean;
  readonly usedAtFinalized: boolean;
  /** Searched for only when the authorization is used up. */
  readonly end: AuthorizationEnd | undefined;
}

/**
 * Judges one authorization. Failure needs proof as success does: a clock, an error or an answer "not found" is none. The proofs
 * are (a) unused in a final block after its time, (b) cancelled in a final block, (c) used in a final block without paying us. Of a
 * ceiling whose nonce is used, a search that finds no settlement is the latter: only our own key can have settled it, and its
 * settlements can be found, while what else used the nonce leaves no trace.
 */
export function judge(item: AuthorizedTransfer, { view, usedAtHead, usedAtFinalized, end }: Observed): Judgement {
  if (end) {
    const evidence = evidenceIn(end.receipt)(item);
    if (evidence.kind === 'paid') return { kind: 'included', receipt: end.receipt, logIndex: evidence.logIndex };
    if (evidence.kind === 'absent' || end.receipt.block.number > view.finalized.number) return WAIT;
    const kind = end.kind === 'canceled' ? 'canceled' : 'used_otherwise';
    return { kind: 'failed', proof: { kind, block: end.receipt.block, transaction: end.receipt.hash } };
  }
  const { finalized, head } = view;
  if (item.ceiling && usedAtFinalized) {
    const block = { number: finalized.number, hash: finalized.hash };
    return { kind: 'failed', proof: { kind: 'used_unpaid', block, permit2Nonce: item.ceiling.nonce } };
  }
  if (usedAtHead || usedAtFinalized) return WAIT;
  if (finalized.timestamp > item.validBefore) {
    const block = { number: finalized.number, hash: finalized.hash };
    return {
      kind: 'failed',
      proof: { kind: 'expired_unused', block, timestamp: finalized.timestamp, validBefore: item.validBefore },
    };
  }
  return head.timestamp >= item.validBefore ? WAIT : { kind: 'resubmit' };
}
