export type RejectionReason =
  | 'invalid_identity'
  | 'reserved_source'
  | 'invalid_type'
  | 'invalid_subject'
  | 'invalid_time'
  | 'time_in_future'
  | 'time_too_old'
  | 'invalid_value'
  | 'invalid_level'
  | 'invalid_delta'
  | 'invalid_action'
  | 'invalid_weight'
  | 'invalid_cost'
  | 'invalid_resource'
  | 'invalid_dimensions';

/** What an event waits for: an account or a meter to be there, or someone to look at a suspicious quantity. */
export type HoldReason = 'unknown_account' | 'unknown_meter' | 'over_event_ceiling';

/** The event will never count as it is. */
export interface Rejection {
  readonly outcome: 'rejected';
  readonly reason: RejectionReason;
  /** A sentence that says what is wrong and what to do. */
  readonly message: string;
}

/** The event is kept and does not count yet. */
export interface Hold {
  readonly outcome: 'held';
  readonly reason: HoldReason;
  readonly message: string;
}

export const rejected = (reason: RejectionReason, message: string): Rejection => ({
  outcome: 'rejected',
  reason,
  message,
});

export const held = (reason: HoldReason, message: string): Hold => ({ outcome: 'held', reason, message });
