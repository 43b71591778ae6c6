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

/** The disk is full, or the spool holds as much as it may. Nothing was recorded; what the spool holds is safe. */
export class SpoolFullError extends MeteringError {
  readonly code = 'spool_full';
}

/** Another process that is alive, or another client of this one, uses the folder of the spool. */
export class SpoolLockedError extends MeteringError {
  readonly code = 'spool_locked';
}

/** The disk failed. Thrown by `record`, nothing was recorded; handed to `onError`, nothing was lost and it is tried again. */
export class SpoolFailedError extends MeteringError {
  readonly code = 'spool_failed';
}

/** The folder of the spool is damaged beyond a torn end: `events` events recorded there cannot be read any more. */
export class SpoolDamagedError extends MeteringError {
  readonly code = 'spool_damaged';

  constructor(
    message: string,
    readonly events: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Why a batch was given up. `refused`: the server said no, and would again · `too_large`: more than the server takes, and
 * it cannot be halved · `sequence_reused`: this number of the stream is stored with other content, as when the folder of a
 * spool was restored from a copy · `exhausted`: every attempt failed · `closed`: `close` reached its deadline.
 */
export type DropReason = 'refused' | 'too_large' | 'sequence_reused' | 'exhausted' | 'closed';

/** A numbered batch as it was, or would have been, sent. */
export interface DroppedBatch {
  readonly stream: string;
  readonly seq: number;
  /** Post it to `/v1/events/stream` as it is: whether or not an attempt got through, it counts once. */
  readonly body: string;
}

/**
 * Usage that will not be sent again. To send it after all and have it count once: `batch.body` as it is, where there is a
 * batch; else `events`, recorded with their own ids.
 */
export class DroppedError extends MeteringError {
  readonly code = 'dropped';

  constructor(
    message: string,
    readonly reason: DropReason,
    readonly events: readonly UsageEvent[],
    /** Status of the last answer; absent when there was none. */
    readonly status?: number,
    options?: ErrorOptions,
    readonly batch?: DroppedBatch,
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

/** A call that was served could not be recorded. The response was not disturbed; the call went unmetered. */
export class CallLostError extends MeteringError {
  readonly code = 'call_lost';

  constructor(
    readonly meter: string,
    options?: ErrorOptions,
  ) {
    super(`A call was not recorded on meter ${meter}.`, options);
  }
}
