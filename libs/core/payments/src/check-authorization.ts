import type { ExactAuthorization, X402Error } from '@core/x402';

/** Seconds a handler may take before its payment is voided. */
export const SERVICE_SECONDS = 120;
/** Seconds a settlement must still have when the work begins. */
export const SETTLE_SECONDS = 30;
/** What a payer's clock may run ahead of the chain's when it computes `validBefore`. */
export const SKEW_SECONDS = 60;
/** EIP-3009 compares `validBefore` with the block that carries the transfer: the margin the public facilitator asks for. */
export const FACILITATOR_SECONDS = 6;

type AuthorizationCheck =
  { readonly ok: true } | { readonly ok: false; readonly reason: X402Error; readonly message: string };

const refuse = (reason: X402Error, message: string): AuthorizationCheck => ({ ok: false, reason, message });

/**
 * Whether an authorization pays an offer: payee and value are equal, and it is valid now and for as long as work and
 * settlement may take. Times are seconds of the chain's head block, since that is what the token contract compares, with
 * strict inequalities (EIP-3009).
 */
export function checkAuthorization(
  authorization: ExactAuthorization,
  offer: { readonly payTo: string; readonly amount: bigint; readonly maxTimeoutSeconds: number },
  headSeconds: number,
  door: 'gate' | 'facilitator',
): AuthorizationCheck {
  if (authorization.to !== offer.payTo) {
    return refuse('invalid_exact_evm_recipient_mismatch', 'authorization.to has to be the payTo of the offer');
  }
  const settleBy = BigInt(headSeconds + (door === 'gate' ? SETTLE_SECONDS : FACILITATOR_SECONDS));
  if (authorization.validBefore < settleBy) {
    return refuse(
      'invalid_exact_evm_payload_authorization_valid_before',
      'authorization.validBefore is past or too near; sign a new authorization',
    );
  }
  // Far-off ends are refused at the gate, where the offer states how long an authorization may last.
  if (door === 'gate' && authorization.validBefore > BigInt(headSeconds + offer.maxTimeoutSeconds + SKEW_SECONDS)) {
    return refuse(
      'invalid_exact_evm_payload_authorization_valid_before',
      'authorization.validBefore is further off than maxTimeoutSeconds allows',
    );
  }
  if (authorization.validAfter >= BigInt(headSeconds)) {
    return refuse('invalid_exact_evm_payload_authorization_valid_after', 'authorization.validAfter has not passed yet');
  }
  if (authorization.value !== offer.amount) {
    return refuse(
      'invalid_exact_evm_payload_authorization_value_mismatch',
      'authorization.value has to be the amount of the offer',
    );
  }
  return { ok: true };
}
