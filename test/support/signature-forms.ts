import type { Dice } from '../model/dice.js';

// The same signature in forms that the token contract does not take, and texts that stand for the same bytes.

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const parts = (signature: string) => ({
  r: signature.slice(2, 66),
  s: BigInt(`0x${signature.slice(66, 130)}`),
  v: Number.parseInt(signature.slice(130), 16),
});

const word = (value: bigint): string => value.toString(16).padStart(64, '0');

/** The other solution of the curve: it recovers the same signer. */
export function highSignature(signature: string): string {
  const { r, s, v } = parts(signature);
  return `0x${r}${word(ORDER - s)}${v === 27 ? '1c' : '1b'}`;
}

export function zeroBasedSignature(signature: string): string {
  const { v } = parts(signature);
  return `${signature.slice(0, 130)}${v === 27 ? '00' : '01'}`;
}

export function otherSignature(signature: string, dice: Dice): string {
  const { v } = parts(signature);
  return `${signature.slice(0, 130)}${dice.of([v === 27 ? '1c' : '1b', '1d', '25', 'ff'])}`;
}

/** The 64 bytes of EIP-2098: v is the highest bit of s. */
export function shortSignature(signature: string): string {
  const { r, s, v } = parts(signature);
  return `0x${r}${word(v === 28 ? s | (1n << 255n) : s)}`;
}

/** Hex digits after the prefix in another case, letter by letter. */
export const respelled = (text: string, dice: Dice): string =>
  text.slice(0, 2) + [...text.slice(2)].map((digit) => (dice.chance(0.5) ? digit.toUpperCase() : digit)).join('');

/** Base64 that a lenient reader takes for the same bytes. A text without padding is cut short instead. */
export function spoiltText(base64: string, dice: Dice): string {
  const bare = base64.replace(/=+$/, '');
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const last = alphabet.indexOf(bare.slice(-1));
  const loose =
    bare.length % 4 === 0 ? bare.slice(0, -1) : bare.slice(0, -1) + alphabet[last ^ 1] + base64.slice(bare.length);
  return dice.of([
    bare === base64 ? `${base64}=` : bare,
    `${base64}====`,
    `${base64.slice(0, 40)} ${base64.slice(40)}`,
    `${base64.slice(0, 40)}!${base64.slice(40)}`,
    `"${base64}"`,
    `${base64},${base64}`,
    loose,
  ]);
}
