import { Fault } from '@core/faults';

/**
 * The life of a payment. reserved: claimed before the work · served: work done, amount fixed · settling: in a batch, or
 * waiting for proof · included: its transfer is in a block · settled: that block is final · voided: never charged · failed:
 * proven not to have been paid · recovered: a failed payment that arrived after all.
 */
export const PAYMENT_STATES = [
  'reserved',
  'served',
  'settling',
  'included',
  'settled',
  'voided',
  'failed',
  'recovered',
] as const;

export type PaymentState = (typeof PAYMENT_STATES)[number];

/** Every legal transition. The database keeps the same table in the trigger `legal_transition`. */
export const PAYMENT_TRANSITIONS: Readonly<Record<PaymentState, readonly PaymentState[]>> = {
  reserved: ['served', 'voided'],
  served: ['settling'],
  settling: ['included', 'failed'],
  included: ['settled', 'settling'],
  settled: [],
  voided: [],
  failed: ['recovered'],
  recovered: [],
};

/** @throws Fault invariant_broken when the transition is not legal. */
export function advance(from: PaymentState, to: PaymentState): PaymentState {
  if (!PAYMENT_TRANSITIONS[from].includes(to))
    throw new Fault('invariant_broken', `a payment cannot go from ${from} to ${to}`);
  return to;
}
