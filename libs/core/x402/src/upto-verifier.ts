import type { UptoAuthorization } from './upto.js';

/**
 * What a signature under scheme `upto` says, on one chain. Pure arithmetic without a look at the chain: balance, allowance, nonce and
 * time are the caller's to check, and wallets that are contracts do not pass.
 */
export abstract class UptoVerifier {
  abstract readonly chainId: number;

  /** Whether `from` signed the ceiling. As strict as for `exact`: 65 bytes, s in the lower half, v 27 or 28. */
  abstract signed(authorization: UptoAuthorization): boolean;
}
