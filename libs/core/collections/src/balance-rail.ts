import type { Instant } from '@core/time';
import type { ReadAnswer } from './billing-rail.js';

/** One movement of the balance at the rail, as it was fetched. Amounts in minor units of the currency; net = amount - fee. */
export interface BalanceMovement {
  /** `txn_…` */
  readonly id: string;
  /** What it is for the books, in the rail's words: charge, refund, refund_failure, dispute, dispute_reversal, payout, payout_reversal, fee, … */
  readonly category: string;
  readonly amount: bigint;
  readonly fee: bigint;
  readonly net: bigint;
  /** Lower case, e.g. `usd`. */
  readonly currency: string;
  readonly isAvailable: boolean;
  readonly availableOn: Instant;
  readonly createdAt: Instant;
  /** What it comes from: `ch_…`, `py_…`, `re_…`, `du_…`, `po_…`. */
  readonly source: string | undefined;
  /** Our account, where what it comes from says so. */
  readonly account: string | undefined;
  /** Of a refund or a dispute: the charge that it is of, whose movement came before. */
  readonly charge: string | undefined;
}

type Missed = Exclude<ReadAnswer, { kind: 'fetched' }>;
type Found<What> = ({ readonly kind: 'fetched' } & What) | Missed;

/** The rail's own books. Never throws for the network. */
export abstract class BalanceRail {
  /** Movements made at or after an instant, newest first, after the one with the id `after`; `more`: there are further pages. */
  abstract movements(page: {
    readonly since: Instant;
    readonly after: string | undefined;
  }): Promise<Found<{ readonly movements: readonly BalanceMovement[]; readonly more: boolean }>>;
  /** What a payout carried; its own line is not in it. */
  abstract carriedBy(payout: string): Promise<Found<{ readonly movements: readonly string[] }>>;
  abstract movement(id: string): Promise<Found<{ readonly movement: BalanceMovement }>>;
  /** Minor units, by currency: what is pending and what is available together. */
  abstract balance(): Promise<Found<{ readonly sums: ReadonlyMap<string, bigint> }>>;
}
