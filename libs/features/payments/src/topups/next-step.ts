import type { PaymentState } from '@core/payments';
import type { TopUpState } from './top-up.js';

/**
 * What is to be done about a top-up. credit: the payment is final, give the balance · keep: the balance was given before and its
 * payment is final now · give: give the balance before that · fail: there is no payment, and no balance was given · take-back: there is
 * no payment, and some of the balance may be used · wait.
 */
export type TopUpStep = 'credit' | 'keep' | 'give' | 'fail' | 'take-back' | 'wait';

export interface StandingTopUp {
  readonly state: TopUpState;
  readonly paymentState: PaymentState;
  readonly amount: bigint;
}

/** @param room what the account may still have in provisional balance */
export function nextStep({ state, paymentState, amount }: StandingTopUp, room: bigint): TopUpStep {
  if (state === 'credited' || state === 'failed') return 'wait';
  switch (paymentState) {
    case 'settled':
      return state === 'paid' ? 'credit' : 'keep';
    case 'failed':
      return state === 'paid' ? 'fail' : 'take-back';
    case 'included':
      return state === 'paid' && amount <= room ? 'give' : 'wait';
    case 'reserved':
    case 'served':
    case 'settling':
    case 'voided':
    case 'recovered':
      return 'wait';
  }
}
