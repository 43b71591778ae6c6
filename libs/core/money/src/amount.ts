import { Fault } from '@core/faults';
import type { AssetId } from './asset.js';

/** An integer count of an asset's atomic units. Amounts of two assets never meet. */
export interface Amount {
  readonly asset: AssetId;
  readonly atomic: bigint;
}

/** The largest amount a field of the API or of a token contract can carry (uint256). */
const MAX_ATOMIC = 2n ** 256n - 1n;

export const amount = (asset: AssetId, atomic: bigint): Amount => ({ asset, atomic });

function sameAsset(a: Amount, b: Amount): AssetId {
  if (a.asset !== b.asset)
    throw new Fault('invariant_broken', `amounts of ${a.asset} and ${b.asset} cannot be combined`);
  return a.asset;
}

export const subtractAmounts = (a: Amount, b: Amount): Amount => amount(sameAsset(a, b), a.atomic - b.atomic);

const ATOMIC = /^(?:0|[1-9][0-9]{0,77})$/;

/**
 * Reads a count of atomic units as the wire carries it: decimal digits without sign, leading zero, space or exponent,
 * at most uint256. Undefined for anything else; never `BigInt()` on raw text, which takes "", " 12 " and "0x10".
 */
export function parseAtomic(text: string): bigint | undefined {
  if (!ATOMIC.test(text)) return undefined;
  const value = BigInt(text);
  return value <= MAX_ATOMIC ? value : undefined;
}
