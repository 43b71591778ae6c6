/**
 * Counted in events, since the client was made, except `batches` and `retries` (requests) and `observerFailures` (calls).
 * Always: queued = acknowledged + duplicate + conflict + held + rejected + dropped + waiting.
 */
export interface Counters {
  /** Taken into the queue or the spool, those found in the spool at the start included. */
  readonly queued: number;
  /** Of these, found in the spool at the start: an earlier process recorded them and had no answer. */
  readonly recovered: number;
  /** Written to the spool by this client. */
  readonly spooled: number;
  /** Of these, beyond the bound of memory: only the spool has them until there is room. */
  readonly spilled: number;
  /** Not answered for yet, in memory or in the spool. */
  readonly waiting: number;
  /** Put on the wire at least once. */
  readonly sent: number;
  /** Verdict `accepted`. */
  readonly acknowledged: number;
  /** Had arrived before, counted once. */
  readonly duplicate: number;
  /** Verdict `conflict`: the id was used before with other content. */
  readonly conflict: number;
  /** Verdict `held`: kept by the server, to be replayed there. */
  readonly held: number;
  /** Verdict `rejected`. */
  readonly rejected: number;
  /** Given up; each was handed to `onError`. */
  readonly dropped: number;
  /** Batches that have been answered or given up. */
  readonly batches: number;
  /** Requests repeated after a failure. */
  readonly retries: number;
  /** Times a listener itself failed. */
  readonly observerFailures: number;
}

/** What is counted as it happens; the rest is read off the doors. */
export type Tally = {
  -readonly [name in keyof Omit<Counters, 'queued' | 'recovered' | 'spooled' | 'spilled' | 'waiting'>]: number;
};

export function emptyTally(): Tally {
  return {
    sent: 0,
    acknowledged: 0,
    duplicate: 0,
    conflict: 0,
    held: 0,
    rejected: 0,
    dropped: 0,
    batches: 0,
    retries: 0,
    observerFailures: 0,
  };
}
