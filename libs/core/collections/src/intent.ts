import { ATTEMPT_TRANSITIONS, type AttemptState } from './attempt-states.js';

/** A PaymentIntent as it was fetched. */
export interface IntentSeen {
  /** `pi_…` */
  readonly id: string;
  readonly status:
    | 'requires_payment_method'
    | 'requires_confirmation'
    | 'requires_action'
    | 'processing'
    | 'requires_capture'
    | 'succeeded'
    | 'canceled'
    /** One that this version of the product does not know. */
    | 'other';
  readonly cents: bigint;
  readonly centsReceived: bigint;
  /** Lower case, e.g. `usd`. */
  readonly currency: string;
  /** Our attempt's id, from the metadata. */
  readonly attempt: string | undefined;
  /** Of the last refusal: the decline code, or the error code where there is none. */
  readonly code: string | undefined;
  /** `ch_…` or `py_…`: the last charge. */
  readonly charge: string | undefined;
}

/** What a fetched object proves about the attempt. */
export type Verdict =
  | { readonly kind: 'unconfirmed' }
  | { readonly kind: 'processing' | 'requires_action' | 'succeeded' }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'canceled'; readonly code: string }
  /** Not what we asked for: nothing may be concluded from it. */
  | { readonly kind: 'alarm'; readonly reason: string };

/** Amount, currency and metadata are compared before anything is believed. */
export function judgeIntent(
  attempt: {
    readonly id: string;
    readonly intent?: string | undefined;
    readonly cents: bigint;
    readonly currency: string;
  },
  seen: IntentSeen,
): Verdict {
  const alarm = (what: string): Verdict => ({ kind: 'alarm', reason: `PaymentIntent ${seen.id} ${what}` });
  if (attempt.intent !== undefined && seen.id !== attempt.intent)
    return alarm(`is not the attempt's ${attempt.intent}`);
  if (seen.attempt !== attempt.id) return alarm(`names the attempt ${seen.attempt ?? 'none'} and not ${attempt.id}`);
  if (seen.cents !== attempt.cents) return alarm(`is of ${seen.cents} and not of ${attempt.cents}`);
  if (seen.currency !== attempt.currency) return alarm(`is in ${seen.currency} and not in ${attempt.currency}`);
  switch (seen.status) {
    case 'requires_confirmation':
      return { kind: 'unconfirmed' };
    case 'processing':
    case 'requires_action':
      return { kind: seen.status };
    case 'succeeded':
      return seen.centsReceived === seen.cents
        ? { kind: 'succeeded' }
        : alarm(`succeeded with ${seen.centsReceived} of ${seen.cents}`);
    case 'requires_payment_method':
      return { kind: 'refused', code: seen.code ?? 'unnamed' };
    case 'canceled':
      return { kind: 'canceled', code: seen.code ?? 'canceled' };
    case 'requires_capture':
      return alarm('waits for a capture, which we never ask for');
    case 'other':
      return alarm('has a status this version does not know');
  }
}

/**
 * Where a verdict moves an attempt; undefined: nowhere. Only ever forward: what was fetched before somebody else fetched something
 * newer proves nothing any more.
 */
export function afterVerdict(
  from: AttemptState,
  verdict: Exclude<Verdict, { kind: 'alarm' }>,
  confirmed: boolean,
): AttemptState | undefined {
  const to = target(verdict, confirmed);
  if (to === undefined || to === from || !ATTEMPT_TRANSITIONS[from].includes(to)) return undefined;
  // The money is back or under dispute: what the intent itself says is known.
  return from === 'succeeded' || from === 'disputed' || from === 'reversed' ? undefined : to;
}

/** A cancelled intent failed when it was ever tried, and else was merely let go. */
const target = (
  verdict: Exclude<Verdict, { kind: 'alarm' }>,
  confirmed: boolean,
): Exclude<AttemptState, 'halted'> | undefined => {
  if (verdict.kind === 'unconfirmed') return undefined;
  if (verdict.kind !== 'canceled') return verdict.kind;
  return confirmed ? 'failed' : 'abandoned';
};
