import { z } from 'zod';
import type { X402Error } from './error-codes.js';
import { type Hex, lowerHex } from './hex.js';
import { firstIssue } from './issues.js';
import { type Permit2Authorization, permit2AuthorizationOf, permit2UptoSchema } from './permit2.js';
import type { JsonObject } from './strict-json.js';
import { bytesText } from './wire-values.js';

/** The data of scheme `upto`, which knows Permit2 only. */
const uptoPayloadSchema = z.object({ signature: bytesText, permit2Authorization: permit2UptoSchema });

/** A payer's signed ceiling: the facilitator it names may move up to `amount` to `to`, once, from `validAfter` on. */
export interface UptoAuthorization extends Permit2Authorization {
  readonly to: Hex;
  readonly facilitator: Hex;
  /** Unix seconds. */
  readonly validAfter: bigint;
}

type UptoReading =
  | { readonly ok: true; readonly authorization: UptoAuthorization }
  | { readonly ok: false; readonly reason: X402Error; readonly message: string };

/** Reads the authorization out of a payload. The scheme is not looked at: matching the offer does that. */
export function uptoAuthorizationOf(paid: { readonly payload: JsonObject }): UptoReading {
  const parsed = uptoPayloadSchema.safeParse(paid.payload);
  if (!parsed.success) {
    const otherMethod = !('permit2Authorization' in paid.payload) && 'authorization' in paid.payload;
    return otherMethod
      ? {
          ok: false,
          reason: 'unsupported_payload_type',
          message: 'payload is for EIP-3009; sign a Permit2 authorization',
        }
      : { ok: false, reason: 'invalid_payload', message: `payload.${firstIssue(parsed.error)}` };
  }
  const { signature, permit2Authorization: given } = parsed.data;
  return {
    ok: true,
    authorization: {
      ...permit2AuthorizationOf({ ...given, signature }),
      to: lowerHex(given.witness.to),
      facilitator: lowerHex(given.witness.facilitator),
      validAfter: BigInt(given.witness.validAfter),
    },
  };
}

/** The wire form of an authorization. */
export const uptoPayloadOf = (authorization: UptoAuthorization): JsonObject => ({
  signature: authorization.signature,
  permit2Authorization: {
    from: authorization.from,
    permitted: { token: authorization.token, amount: authorization.amount.toString() },
    spender: authorization.spender,
    nonce: authorization.nonce.toString(),
    deadline: authorization.deadline.toString(),
    witness: {
      to: authorization.to,
      facilitator: authorization.facilitator,
      validAfter: authorization.validAfter.toString(),
    },
  },
});
