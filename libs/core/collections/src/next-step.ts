import type { AttemptState } from './attempt-states.js';
import type { Verdict } from './intent.js';

const HOUR_MS = 3_600_000;

/** Stripe keeps idempotency keys for 24 hours at least; an hour is left for clocks and for calls under way. */
export const KEY_LIVES_MS = 23 * HOUR_MS;

/** How long a holder may take to confirm before the next method is tried. */
export const ACTION_WAITS_MS = 72 * HOUR_MS;

/** What an open attempt needs next. `wait`: nothing before the next poll. */
export type Step = 'prepare' | 'find' | 'confirm' | 'read' | 'cancel' | 'abandon' | 'wait';

/** What is stored of an attempt, and what this run has learned about it. */
export interface AttemptStanding {
  readonly state: AttemptState;
  /** Since the row with its keys was written. */
  readonly ageMs: number;
  /** Since the state was entered. */
  readonly stateAgeMs: number;
  /** Since the first confirm may have been sent; undefined: none was. Written before the call. */
  readonly confirmAgeMs: number | undefined;
  /** The answer kept under the key of the step is an error of Stripe's own: asking again under it brings the same. */
  readonly keySpent: boolean;
  /** Of this run's look at the object; undefined: it has not looked. */
  readonly verdict: Verdict['kind'] | undefined;
  /** This run has searched for the object and there is none. */
  readonly notFound: boolean;
}

/**
 * The one place that says which call may be made when. A confirm is only ever made on a stored id; so an attempt without one is known
 * never to have been confirmed, and may be abandoned. With one, only the fetched object says what became of it; and a key is not used
 * after 23 hours: then the object is read, and cancelled where it was never confirmed.
 */
export function nextStep(attempt: AttemptStanding): Step {
  const keyLives = attempt.ageMs < KEY_LIVES_MS && !attempt.keySpent;
  switch (attempt.state) {
    case 'prepared':
      if (keyLives) return 'prepare';
      return attempt.notFound ? 'abandon' : 'find';
    case 'created':
      if (attempt.confirmAgeMs === undefined)
        return attempt.ageMs < KEY_LIVES_MS ? 'confirm' : afterLook(attempt, 'cancel');
      return afterLook(attempt, attempt.confirmAgeMs < KEY_LIVES_MS && !attempt.keySpent ? 'confirm' : 'cancel');
    case 'processing':
      return afterLook(attempt, 'wait');
    case 'requires_action':
      return afterLook(attempt, attempt.stateAgeMs < ACTION_WAITS_MS ? 'wait' : 'cancel');
    case 'refused':
      return afterLook(attempt, 'cancel');
    case 'succeeded':
    case 'disputed':
    case 'reversed':
    case 'failed':
    case 'abandoned':
    case 'halted':
      return 'wait';
  }
}

const afterLook = (attempt: AttemptStanding, then: Step): Step => (attempt.verdict === undefined ? 'read' : then);

const MINUTE_MS = 60_000;
const POLLS_MS = [MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS];

/** How long until an object is looked at again without being asked to: 1 m, 5 m, 30 m, 2 h, then every 6 hours. */
export const pollAfterMs = (polls: number): number => POLLS_MS[polls] ?? 6 * HOUR_MS;

const TROUBLE_MS = [1_000, 5_000, 15_000, MINUTE_MS];

/** How long to leave a rail alone that gave no clear answer, by how often in a row: 1 s, 5 s, 15 s, 1 m, then every 5 minutes. */
export const troubleAfterMs = (times: number): number => TROUBLE_MS[times] ?? 5 * MINUTE_MS;
