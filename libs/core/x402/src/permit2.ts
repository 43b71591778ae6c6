import { z } from 'zod';
import { type Hex, lowerHex } from './hex.js';
import { addressText, atomicText, bytes32Text, bytesText } from './wire-values.js';

/** What every Permit2 authorization of the protocol carries besides its witness. */
const fields = {
  from: addressText,
  permitted: z.object({ token: addressText, amount: atomicText }),
  spender: addressText,
  /** Any uint256 not used before; Permit2 does not ask for an order. */
  nonce: atomicText,
  /** Unix seconds. */
  deadline: atomicText,
};

/** A deposit into a channel: the witness is the channel. */
export const permit2DepositSchema = z.object({
  ...fields,
  witness: z.object({ channelId: bytes32Text }),
  signature: bytesText,
});

/** Scheme `upto`: the witness names the payee and who may settle. */
export const permit2UptoSchema = z.object({
  ...fields,
  witness: z.object({ to: addressText, facilitator: addressText, validAfter: atomicText }),
});

/**
 * A payer's signed leave for `spender` to move up to `amount` of `token` once before `deadline` (Unix seconds). Hex is lower
 * case. Its identity is chain, `from` and `nonce`.
 */
export interface Permit2Authorization {
  readonly from: Hex;
  readonly token: Hex;
  readonly amount: bigint;
  readonly spender: Hex;
  readonly nonce: bigint;
  readonly deadline: bigint;
  readonly signature: Hex;
}

/** Reads the fields that have passed a schema of this file. */
export const permit2AuthorizationOf = (
  given: Omit<z.output<typeof permit2DepositSchema>, 'witness'>,
): Permit2Authorization => ({
  from: lowerHex(given.from),
  token: lowerHex(given.permitted.token),
  amount: BigInt(given.permitted.amount),
  spender: lowerHex(given.spender),
  nonce: BigInt(given.nonce),
  deadline: BigInt(given.deadline),
  signature: lowerHex(given.signature),
});
