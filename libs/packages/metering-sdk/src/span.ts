import { secondsBetween } from './quantity.js';

/** Work being measured. */
export interface Span {
  /**
   * Records the compute seconds since the span was made. Resolves when they are in the queue; calling it again changes
   * nothing and gives the same promise.
   */
  end(): Promise<void>;
}

export function startSpan(elapsed: () => number, record: (seconds: string) => Promise<void>): Span {
  const start = elapsed();
  let ended: Promise<void> | undefined;
  return { end: () => (ended ??= record(secondsBetween(start, elapsed()))) };
}
