import type { Instant } from '@core/time';
import { nextAttempt, type Spread } from './retry-schedule.js';
import type { PostAnswer } from './webhook-post.js';

/** What becomes of a delivery after an attempt. */
export type DeliveryVerdict =
  | { readonly state: 'delivered' }
  | { readonly state: 'retrying'; readonly at: Instant }
  /** `gone`: the receiver said that nothing is there any more; the endpoint is to be disabled. */
  | { readonly state: 'exhausted'; readonly gone: boolean };

const GONE = 410;

const succeeded = (answer: PostAnswer): boolean =>
  answer.outcome === 'answered' && answer.status >= 200 && answer.status < 300;

/** `attempts`: how many there were, with this one. */
export function verdictOn(answer: PostAnswer, attempts: number, now: Instant, spread: Spread): DeliveryVerdict {
  if (succeeded(answer)) return { state: 'delivered' };
  if (answer.outcome === 'answered' && answer.status === GONE) return { state: 'exhausted', gone: true };
  const at = nextAttempt(attempts, now, spread);
  return at === undefined ? { state: 'exhausted', gone: false } : { state: 'retrying', at };
}
