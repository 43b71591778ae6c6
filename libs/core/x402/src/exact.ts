import { parseAtomic } from '@core/money';
import { z } from 'zod';
import type { X402Error } from './error-codes.js';
import { type Hex, lowerHex } from './hex.js';
import { firstIssue } from './issues.js';
import type { JsonObject } from './strict-json.js';
import { addressText, atomicText, bytes32Text, bytesText } from './wire-values.js';

/** The data of scheme `exact` with EIP-3009, the same in both versions of the protocol. */
const exactEip3009PayloadSchema = z.object({
  signature: bytesText,
  authorization: z.object({
    from: addressText,
    to: addressText,
    value: atomicText,
    /** Unix seconds. */
    validAfter: atomicText,
    /** Unix seconds. */
    validBefore: atomicText,
    nonce: bytes32Text,
  }),
});
type ExactEip3009Payload = z.output<typeof exactEip3009PayloadSchema>;

/**
 * A payer's signed leave to move `value` atomic units once, valid strictly after `validAfter` and strictly before
 * `validBefore` (Unix seconds), as EIP-3009 has it. Hex is lower case. Its identity is chain, token, `from` and `nonce`;
 * the bytes of a header or of a signature are none.
 */
export interface ExactAuthorization {
  readonly from: Hex;
  readonly to: Hex;
  readonly value: bigint;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly nonce: Hex;
  readonly signature: Hex;
}

type ExactReading =
  | { readonly ok: true; readonly authorization: ExactAuthorization }
  | { readonly ok: false; readonly reason: X402Error; readonly message: string };

/** Reads the authorization out of a payload of either version. The scheme is not looked at: matching the offer does that. */
export function exactAuthorizationOf(paid: { readonly payload: JsonObject }): ExactReading {
  const parsed = exactEip3009PayloadSchema.safeParse(paid.payload);
  if (!parsed.success) {
    const otherMethod = !('authorization' in paid.payload) && 'permit2Authorization' in paid.payload;
    if (otherMethod) {
      return {
        ok: false,
        reason: 'unsupported_payload_type',
        message: 'payload is for Permit2; sign an EIP-3009 authorization',
      };
    }
    return { ok: false, reason: 'invalid_payload', message: `payload.${firstIssue(parsed.error)}` };
  }
  const { signature, authorization } = parsed.data;
  const value = parseAtomic(authorization.value);
  const validAfter = parseAtomic(authorization.validAfter);
  const validBefore = parseAtomic(authorization.validBefore);
  if (value === undefined || validAfter === undefined || validBefore === undefined) {
    return { ok: false, reason: 'invalid_payload', message: 'payload.authorization: expected integers' };
  }
  return {
    ok: true,
    authorization: {
      from: lowerHex(authorization.from),
      to: lowerHex(authorization.to),
      value,
      validAfter,
      validBefore,
      nonce: lowerHex(authorization.nonce),
      signature: lowerHex(signature),
    },
  };
}

/** The wire form of an authorization. */
export const exactPayloadOf = (authorization: ExactAuthorization): ExactEip3009Payload => ({
  signature: authorization.signature,
  authorization: {
    from: authorization.from,
    to: authorization.to,
    value: authorization.value.toString(),
    validAfter: authorization.validAfter.toString(),
    validBefore: authorization.validBefore.toString(),
    nonce: authorization.nonce,
  },
});
