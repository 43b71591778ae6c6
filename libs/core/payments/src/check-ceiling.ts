import { UPTO_CONTRACTS, type UptoAuthorization, type X402Error } from '@core/x402';
import { FACILITATOR_SECONDS, SETTLE_SECONDS, SKEW_SECONDS } from './check-authorization.js';

type CeilingCheck =
  { readonly ok: true } | { readonly ok: false; readonly reason: X402Error; readonly message: string };

const refuse = (reason: X402Error, message: string): CeilingCheck => ({ ok: false, reason, message });

/** What an authorization of scheme `upto` has to agree with. Addresses are lower case. */
export interface CeilingOffer {
  readonly payTo: string;
  /** The ceiling, atomic units. */
  readonly amount: bigint;
  readonly asset: string;
  /** Who may settle: the one that was offered, or any of ours. */
  readonly facilitators: readonly string[];
  readonly maxTimeoutSeconds: number;
}

/**
 * Whether a signed ceiling is the one that was offered, valid now and for as long as work and settlement may take; the first thing that is
 * not is the reason, in the protocol's order. Times are seconds of the chain's head block, since that is what the contracts
 * compare: valid from `validAfter` on, and up to `deadline`.
 */
export function checkCeiling(
  authorization: UptoAuthorization,
  offer: CeilingOffer,
  headSeconds: number,
  door: 'gate' | 'facilitator',
): CeilingCheck {
  if (authorization.spender !== UPTO_CONTRACTS.proxy) {
    return refuse('invalid_permit2_spender', 'permit2Authorization.spender has to be the proxy of scheme upto');
  }
  if (authorization.to !== offer.payTo) {
    return refuse('invalid_permit2_recipient_mismatch', 'witness.to has to be the payTo of the offer');
  }
  if (!offer.facilitators.includes(authorization.facilitator)) {
    return refuse('upto_facilitator_mismatch', 'witness.facilitator has to be the facilitatorAddress of the offer');
  }
  const settleBy = BigInt(headSeconds + (door === 'gate' ? SETTLE_SECONDS : FACILITATOR_SECONDS));
  if (authorization.deadline < settleBy) {
    return refuse('permit2_deadline_expired', 'the deadline is past or too near; sign a new authorization');
  }
  // Far-off ends are refused at the gate, where the offer states how long an authorization may last.
  if (door === 'gate' && authorization.deadline > BigInt(headSeconds + offer.maxTimeoutSeconds + SKEW_SECONDS)) {
    return refuse('permit2_deadline_expired', 'the deadline is further off than maxTimeoutSeconds allows');
  }
  if (authorization.validAfter > BigInt(headSeconds)) {
    return refuse('permit2_not_yet_valid', 'witness.validAfter has not come yet');
  }
  if (authorization.amount !== offer.amount) {
    return refuse('permit2_amount_mismatch', 'permitted.amount has to be the amount of the offer');
  }
  if (authorization.token !== offer.asset) {
    return refuse('permit2_token_mismatch', 'permitted.token has to be the asset of the offer');
  }
  return { ok: true };
}
