import type { UsageEvent } from './contract.js';

/** Family of everything this package throws or reports. */
export abstract class MeteringError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** An option that cannot work; thrown by the constructor. */
export class InvalidOptionError extends MeteringError {
  readonly code = 'invalid_option';
}

/** A record that could never be accepted, such as a quantity that is no plain decimal. Nothing was queued. */
export class InvalidRecordError extends MeteringError {
  readonly code = 'invalid_record';
}

/** The queue is full and its policy is `reject`. Nothing was queued. */
export class QueueFullError extends MeteringError {
  readonly code = 'queue_full';
}

/** The client was closed. Nothing was queued. */
export class ClosedError extends MeteringError {
  readonly code = 'closed';
}

/**
 * Why a batch was given up. `refused`: the server said no, and would again · `too_large`: one event alone is more than the
 * server takes · `exhausted`: every attempt failed · `closed`: `close` reached its deadline.
 */
export type DropReason = 'refused' | 'too_large' | 'exhausted' | 'closed';

/** Usage that will not be sent again. Keep `events`: sent later with the same ids, they still count once. */
export class DroppedError extends MeteringError {
  readonly code = 'dropped';

  constructor(
    message: string,
    readonly reason: DropReason,
    readonly events: readonly UsageEvent[],
    /** Status of the last answer; absent when there was none. */
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A span could not be recorded. The work it measured was not disturbed; this many seconds went unmetered. */
export class SpanLostError extends MeteringError {
  readonly code = 'span_lost';

  constructor(
    readonly seconds: string,
    options?: ErrorOptions,
  ) {
    super(`A span of ${seconds} s was not recorded.`, options);
  }
}
