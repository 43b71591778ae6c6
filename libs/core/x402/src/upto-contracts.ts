import type { Hex } from './hex.js';

/** The scheme's word in offers and payloads. */
export const UPTO = 'upto';

/**
 * Where the contracts of the scheme stand. They belong to a release of the protocol's packages, whose clients have them built
 * in; the addresses are the same on every chain.
 */
export interface UptoContracts {
  /** Keeps nonces and allowances. */
  readonly permit2: Hex;
  /** What payers name as spender: it moves no more than was signed for, to whom was signed for. */
  readonly proxy: Hex;
}

/** Addresses of the packages' release 2.27, lower case. */
export const UPTO_CONTRACTS: UptoContracts = {
  permit2: '0x000000000022d473030f116ddee9f6b43ac78ba3',
  proxy: '0x4020a4f3b7b90cca423b9fabcc0ce57c6c240002',
};
