import { Fault } from '@core/faults';

/**
 * The life of one nonce of one relayer key. signed: nonce and bytes are stored · broadcast: a node took the bytes · mined: a
 * receipt with success · reverted: a receipt without · final: its block cannot go away · dropped: a filler of ours has used
 * the nonce, or somebody else has.
 */
export const TRANSACTION_STATES = ['signed', 'broadcast', 'mined', 'reverted', 'final', 'dropped'] as const;

export type TransactionState = (typeof TRANSACTION_STATES)[number];

/** Every legal transition. The database keeps the same table in the trigger `legal_transaction_transition`. */
export const TRANSACTION_TRANSITIONS: Readonly<Record<TransactionState, readonly TransactionState[]>> = {
  // A receipt may be seen although the answer to the broadcast was lost.
  signed: ['broadcast', 'mined', 'reverted', 'dropped'],
  broadcast: ['mined', 'reverted', 'dropped'],
  // Back to broadcast when the block is no longer part of the chain.
  mined: ['broadcast', 'final', 'dropped'],
  reverted: ['broadcast', 'final', 'dropped'],
  final: [],
  dropped: [],
};

/** @throws Fault invariant_broken when the transition is not legal. */
export function advanceTransaction(from: TransactionState, to: TransactionState): TransactionState {
  if (!TRANSACTION_TRANSITIONS[from].includes(to)) {
    throw new Fault('invariant_broken', `a chain transaction cannot go from ${from} to ${to}`);
  }
  return to;
}
