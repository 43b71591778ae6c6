/** What became of one event, in the order of the batch. */
export interface EventVerdict {
  readonly source: string;
  readonly id: string;
  /** held: it is kept and does not count until it is replayed; sending it again is a duplicate. */
  readonly verdict: 'accepted' | 'duplicate' | 'conflict' | 'held' | 'rejected';
  readonly reason?: string;
  /** A sentence that says what is wrong and what to do. */
  readonly message?: string;
}

/** What the door says of one event. */
export type Judged = Pick<EventVerdict, 'verdict' | 'reason' | 'message'>;
