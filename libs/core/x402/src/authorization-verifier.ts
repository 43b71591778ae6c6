import type { X402Error } from './error-codes.js';
import type { ExactAuthorization } from './exact.js';
import type { Hex } from './hex.js';

/** A token's EIP-712 domain. It comes from our own registry of tokens, never from a payment. */
export interface TokenDomain {
  readonly chainId: number;
  readonly address: Hex;
  readonly name: string;
  readonly version: string;
}

export type AuthorizationVerdict = { readonly valid: true } | { readonly valid: false; readonly reason: X402Error };

/**
 * Whether `from` signed the authorization for this token. Pure arithmetic without a look at the chain: balance, nonce and
 * time are the caller's to check, and wallets that are contracts do not pass.
 */
export abstract class AuthorizationVerifier {
  abstract verify(token: TokenDomain, authorization: ExactAuthorization): AuthorizationVerdict;
}
