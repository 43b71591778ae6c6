/** What `onBatch` hears. */
export interface BatchReport {
  readonly door: 'stream' | 'open';
  /** Place in the stream, at the stream door. */
  readonly stream?: string;
  readonly seq?: number;
  readonly events: number;
  /** Length of the body. */
  readonly bytes: number;
  /** Requests it took. */
  readonly attempts: number;
  /** From the first request to the answer, pauses included. */
  readonly elapsedMs: number;
}

/** What `onRetry` hears. */
export interface RetryReport {
  readonly door: 'stream' | 'open';
  readonly events: number;
  /** Failures of this batch so far. */
  readonly failures: number;
  readonly delayMs: number;
  /** Absent when there was no answer. */
  readonly status?: number;
  readonly cause?: unknown;
}
