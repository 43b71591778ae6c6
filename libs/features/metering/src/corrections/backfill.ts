import type { Instant } from '@core/time';

export const BACKFILL_STATES = ['draft', 'committed', 'reverted', 'dropped'] as const;
export type BackfillState = (typeof BACKFILL_STATES)[number];

/** The stored events a backfill takes the place of: of one type, with a time of use in [from, to). */
export interface Replaces {
  readonly type: string;
  /** `acct_…`; absent: of every account. */
  readonly account?: string | undefined;
  readonly from: Instant;
  readonly to: Instant;
}

export interface Backfill {
  /** `bkf_…` */
  readonly id: string;
  readonly state: BackfillState;
  readonly replaces?: Replaces;
  readonly reason?: string;
  /** Events given to it and accepted. */
  readonly events: number;
  readonly parts: number;
  readonly createdAt: Instant;
  readonly committedAt?: Instant;
  readonly revertedAt?: Instant;
}
