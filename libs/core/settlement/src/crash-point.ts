/** Places between two durable steps of a settlement or of what follows it, where a fault test ends the process. */
export type SettlementPlace =
  | 'settlement.claimed'
  | 'settlement.before-sign'
  | 'settlement.bytes-stored'
  | 'settlement.broadcast'
  | 'settlement.receipt-seen'
  | 'settlement.before-final'
  | 'topups.before-credit'
  | 'topups.credited';

/** Does nothing, except in a fault test. */
export abstract class CrashPoint {
  abstract reach(place: SettlementPlace): void;
}
