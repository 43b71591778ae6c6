import { Fault } from '@core/faults';

/**
 * One try at collecting a statement. prepared: body and keys are stored, nothing is known of a PaymentIntent · created: its id is
 * stored · processing: the bank debit is under way · requires_action: its holder has to confirm · refused: declined, and to be
 * cancelled so that it can never be paid later · succeeded · disputed: the holder or the bank asks for the money back · reversed: they
 * got it · failed: cancelled after a refusal · abandoned: proven never to have been confirmed · halted: what we see cannot be ours.
 */
export const ATTEMPT_STATES = [
  'prepared',
  'created',
  'processing',
  'requires_action',
  'refused',
  'succeeded',
  'disputed',
  'reversed',
  'failed',
  'abandoned',
  'halted',
] as const;

export type AttemptState = (typeof ATTEMPT_STATES)[number];

/** Every legal transition. The database keeps the same table in the trigger `legal_transition`. */
export const ATTEMPT_TRANSITIONS: Readonly<Record<AttemptState, readonly AttemptState[]>> = {
  prepared: ['created', 'abandoned', 'halted'],
  created: ['processing', 'requires_action', 'refused', 'succeeded', 'failed', 'abandoned', 'halted'],
  processing: ['requires_action', 'refused', 'succeeded', 'failed', 'halted'],
  requires_action: ['processing', 'refused', 'succeeded', 'failed', 'halted'],
  // Whoever holds the client secret may have confirmed it before we cancelled it.
  refused: ['processing', 'requires_action', 'succeeded', 'failed', 'halted'],
  succeeded: ['disputed', 'reversed'],
  disputed: ['succeeded', 'reversed'],
  reversed: ['disputed', 'succeeded'],
  failed: [],
  abandoned: [],
  // An operator has looked at it, and lets it go on where the fetched object says it is.
  halted: ['created', 'abandoned'],
};

/** Those that may still become a success. At most one of a collection, which the database keeps by a unique index. */
export const OPEN_ATTEMPTS = ['prepared', 'created', 'processing', 'requires_action', 'refused', 'halted'] as const;

export const isOpenAttempt = (state: AttemptState): boolean => OPEN_ATTEMPTS.some((open) => open === state);

/** @throws Fault invariant_broken when the transition is not legal. */
export function advanceAttempt(from: AttemptState, to: AttemptState): AttemptState {
  if (!ATTEMPT_TRANSITIONS[from].includes(to))
    throw new Fault('invariant_broken', `an attempt cannot go from ${from} to ${to}`);
  return to;
}
