import { Fault } from '@core/faults';
import type { Hex } from '@core/x402';

/** `aggregate3((address target, bool allowFailure, bytes callData)[])` of Multicall3. */
const AGGREGATE3 = '0x82ad56cb';

const WORD_DIGITS = 64;

/** One 32-byte word of an integer, without prefix. */
export const wordOf = (value: bigint | number): string => value.toString(16).padStart(WORD_DIGITS, '0');

/** One 32-byte word of an address or of bytes32, without prefix. */
export const wordOfHex = (text: Hex): string => text.slice(2).padStart(WORD_DIGITS, '0');

export interface Call {
  readonly target: Hex;
  /** Selector and arguments in hexadecimal, without prefix. */
  readonly data: string;
}

const ALLOW_FAILURE = wordOf(1);
const DATA_OFFSET = wordOf(0x60);

/**
 * The call data of many calls in one, each allowed to fail by itself. Written by hand because it is on the paid path: a
 * general encoder takes longer than the node.
 */
export function encodeCalls(calls: readonly Call[]): Hex {
  let offset = calls.length * 32;
  let heads = '';
  let bodies = '';
  for (const { target, data } of calls) {
    heads += wordOf(offset);
    const padded = Math.ceil(data.length / WORD_DIGITS) * WORD_DIGITS;
    bodies += wordOfHex(target) + ALLOW_FAILURE + DATA_OFFSET + wordOf(data.length / 2) + data.padEnd(padded, '0');
    offset += 4 * 32 + padded / 2;
  }
  return `${AGGREGATE3}${wordOf(0x20)}${wordOf(calls.length)}${heads}${bodies}`;
}

export interface Returned {
  readonly success: boolean;
  /** In hexadecimal, without prefix. */
  readonly data: string;
}

/**
 * Reads what `aggregate3` returned for so many calls.
 * @throws Fault unavailable when the text is not that: the contract is not where it should be, or the node is confused
 */
export function decodeReturns(text: unknown, count: number): Returned[] {
  const fail = (): never => {
    throw new Fault('unavailable', 'The chain gave an answer that cannot be read; try again shortly.', {
      cause: new Error('this is not what Multicall3 returns'),
    });
  };
  if (typeof text !== 'string' || !text.startsWith('0x')) return fail();
  /** Offsets are in bytes from the beginning of the answer. */
  const numberAt = (offset: number): number => {
    const word = text.slice(2 + offset * 2, 2 + offset * 2 + WORD_DIGITS);
    const value = word.length === WORD_DIGITS ? Number.parseInt(word, 16) : NaN;
    return Number.isSafeInteger(value) ? value : fail();
  };
  const list = numberAt(0);
  if (numberAt(list) !== count) return fail();
  const first = list + 32;
  return Array.from({ length: count }, (_, i) => {
    const at = first + numberAt(first + i * 32);
    const bytes = at + numberAt(at + 32);
    const start = 2 + (bytes + 32) * 2;
    return { success: numberAt(at) === 1, data: text.slice(start, start + numberAt(bytes) * 2) };
  });
}
