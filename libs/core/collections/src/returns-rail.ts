import type { Refused, StoredCall, Unclear } from './billing-rail.js';

/** A dispute as it was fetched. */
export interface DisputeSeen {
  /** `du_…` */
  readonly id: string;
  /** asked: an inquiry, no money moved · open: the money is held · won · lost: it is gone for good. */
  readonly state: 'asked' | 'open' | 'won' | 'lost';
  readonly cents: bigint;
  readonly currency: string;
  /** `pi_…`: the payment that is disputed. */
  readonly intent: string | undefined;
  /** The rail's word, e.g. `fraudulent`, `insufficient_funds`. */
  readonly reason: string;
  /** Unix seconds: until when evidence may be given. */
  readonly respondBy: number | undefined;
}

/** A refund as it was fetched. */
export interface CardRefundSeen {
  /** `re_…` */
  readonly id: string;
  readonly state: 'pending' | 'succeeded' | 'failed';
  readonly cents: bigint;
  readonly currency: string;
  /** Why it failed, in a word. */
  readonly reason: string | undefined;
}

type Seen<What> = ({ readonly kind: 'fetched' } & What) | Refused | Unclear;

/** How money goes back at the rail, asked for or not. Never throws for the network. */
export abstract class ReturnsRail {
  abstract readDispute(id: string): Promise<Seen<{ readonly dispute: DisputeSeen }>>;
  abstract refund(call: StoredCall): Promise<Seen<{ readonly refund: CardRefundSeen }>>;
  abstract readRefund(id: string): Promise<Seen<{ readonly refund: CardRefundSeen }>>;
}
