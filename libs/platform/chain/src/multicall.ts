import { Fault } from '@core/faults';
import type { Hex } from '@core/x402';

/** `tryAggregate(bool requireSuccess, (address target, bytes callData)[])` of Multicall3. */
const TRY_AGGREGATE = '0xbce38bd7';

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

const DATA_OFFSET = wordOf(0x40);

/**
 * The call data of many calls in one, each of which may fail by itself. Written by hand because it is on the paid path, where
 * a general encoder takes longer than the node, and because gas counts: this function asks for a word less per call than
 * `aggregate3`, and the padding that encoders add after bytes is not needed by any reader. Together that is 260 gas a transfer.
 */
export function encodeCalls(calls: readonly Call[]): Hex {
  let offset = calls.length * 32;
  let heads = '';
  let bodies = '';
  for (const { target, data } of calls) {
    heads += wordOf(offset);
    bodies += wordOfHex(target) + DATA_OFFSET + wordOf(data.length / 2) + data;
    offset += 3 * 32 + data.length / 2;
  }
  return `${TRY_AGGREGATE}${wordOf(0)}${wordOf(0x40)}${wordOf(calls.length)}${heads}${bodies}`;
}

export interface Returned {
  readonly success: boolean;
  /** In hexadecimal, without prefix. */
  readonly data: string;
}

/**
 * Reads what `tryAggregate` returned for so many calls.
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
