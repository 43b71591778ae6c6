import { RELEASE_LEVELS, type ReleaseLevel } from './quote.js';
import type { PaymentState } from './states.js';

export interface ReleasePolicy {
  /** Amounts above this wait one level longer; undefined: none do. */
  readonly raiseAbove: bigint | undefined;
  /** Whether payments of a payer who never settled one wait one level longer. */
  readonly raiseFirstPayment: boolean;
}

/**
 * When the response of a payment may leave. The price says; a payer nobody knows, or an amount above the provider's
 * threshold, is raised from `authorized` to `submitted`, and an amount above it from `submitted` to `confirmed`.
 */
export function releaseLevel(
  price: ReleaseLevel,
  payment: { readonly amount: bigint; readonly knownPayer: boolean },
  policy: ReleasePolicy,
): ReleaseLevel {
  const large = policy.raiseAbove !== undefined && payment.amount > policy.raiseAbove;
  const stranger = policy.raiseFirstPayment && !payment.knownPayer && price === 'authorized';
  const level = RELEASE_LEVELS.indexOf(price) + (large || stranger ? 1 : 0);
  return RELEASE_LEVELS[Math.min(level, RELEASE_LEVELS.length - 1)] ?? 'confirmed';
}

/** Whether a payment has come as far as a release level asks. */
export function releases(
  level: ReleaseLevel,
  payment: { readonly state: PaymentState; readonly submitted: boolean },
): boolean {
  switch (payment.state) {
    case 'reserved':
    case 'voided':
    case 'failed':
      return false;
    case 'included':
    case 'settled':
    case 'recovered':
      return true;
    case 'served':
    case 'settling':
      return level === 'authorized' || (level === 'submitted' && payment.submitted);
  }
}
