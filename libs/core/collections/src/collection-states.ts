import { Fault } from '@core/faults';

/**
 * The collecting of one statement. open: due, nothing tried · waiting: less than a card or bank can carry · attempting, processing,
 * requires_action: as its open attempt is · dunning: the last try failed, the next one has its time · paid · disputed · reversed: the money
 * went back and nothing is tried by itself · uncollectible: given up and written off · closed: nothing is due any more, however that
 * came · halted: an operator must look.
 */
export const COLLECTION_STATES = [
  'open',
  'waiting',
  'attempting',
  'processing',
  'requires_action',
  'dunning',
  'paid',
  'disputed',
  'reversed',
  'uncollectible',
  'closed',
  'halted',
] as const;

export type CollectionState = (typeof COLLECTION_STATES)[number];

/** Every legal transition. The database keeps the same table in the trigger `legal_transition`. */
export const COLLECTION_TRANSITIONS: Readonly<Record<CollectionState, readonly CollectionState[]>> = {
  open: ['attempting', 'waiting', 'dunning', 'uncollectible', 'closed'],
  waiting: ['open', 'closed'],
  // Back to open: this method is dead or the attempt was never confirmed, and the next one may be tried at once.
  attempting: ['processing', 'requires_action', 'paid', 'open', 'dunning', 'uncollectible', 'halted'],
  processing: ['requires_action', 'attempting', 'paid', 'open', 'dunning', 'uncollectible', 'halted'],
  requires_action: ['processing', 'attempting', 'paid', 'open', 'dunning', 'uncollectible', 'halted'],
  dunning: ['open', 'attempting', 'uncollectible', 'closed'],
  // A late bank return is a reversal without a dispute of its own.
  paid: ['disputed', 'reversed'],
  disputed: ['paid', 'reversed'],
  // Open again: the debt is kept and another method may pay it. A decision can still be turned round.
  reversed: ['open', 'dunning', 'uncollectible', 'closed', 'paid', 'disputed'],
  uncollectible: ['closed'],
  closed: ['open'],
  halted: ['attempting', 'open'],
};

/** @throws Fault invariant_broken when the transition is not legal. */
export function advanceCollection(from: CollectionState, to: CollectionState): CollectionState {
  if (!COLLECTION_TRANSITIONS[from].includes(to))
    throw new Fault('invariant_broken', `a collection cannot go from ${from} to ${to}`);
  return to;
}
