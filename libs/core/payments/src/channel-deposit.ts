import type { X402Error } from '@core/x402';

/** Seconds a deposit must still have: it is sent at once, and the contract compares with the block that carries it. */
const SEND_SECONDS = 20;

/** Why a deposit's window does not fit the chain's time; undefined when it does. Times are Unix seconds. */
export function checkDeposit(
  window: { readonly validAfter: bigint; readonly validBefore: bigint },
  headSeconds: number,
): X402Error | undefined {
  if (window.validAfter >= BigInt(headSeconds)) {
    return 'invalid_batch_settlement_evm_payload_authorization_valid_after';
  }
  if (window.validBefore < BigInt(headSeconds + SEND_SECONDS)) {
    return 'invalid_batch_settlement_evm_payload_authorization_valid_before';
  }
  return undefined;
}
