/**
 * Counted in events, since the client was made, except `retries` (requests) and `observerFailures` (calls).
 * Always: queued = acknowledged + duplicate + conflict + rejected + dropped + those still in the queue.
 */
export interface Counters {
  /** Accepted into the queue. */
  readonly queued: number;
  /** Put on the wire at least once. */
  readonly sent: number;
  /** Verdict `accepted`. */
  readonly acknowledged: number;
  /** Verdict `duplicate`: had arrived before, counted once. */
  readonly duplicate: number;
  /** Verdict `conflict`: the id was used before with other content. */
  readonly conflict: number;
  /** Verdict `rejected`. */
  readonly rejected: number;
  /** Given up; each was handed to `onError`. */
  readonly dropped: number;
  /** Requests repeated after a failure. */
  readonly retries: number;
  /** Times `onError` or `onVerdict` itself failed. */
  readonly observerFailures: number;
}

export type Tally = { -readonly [name in keyof Counters]: Counters[name] };

export function emptyTally(): Tally {
  return {
    queued: 0,
    sent: 0,
    acknowledged: 0,
    duplicate: 0,
    conflict: 0,
    rejected: 0,
    dropped: 0,
    retries: 0,
    observerFailures: 0,
  };
}
