// How identities are written down, in memory as in the database: words of 32 bits, the lowest byte first, as every machine that
// this runs on has them.

/** An identity: the first 16 bytes of a SHA-256. */
export const ID_WORDS = 4;
export const ID_BYTES = 16;
/** What its event says, in two words; zeros where that has to be seen from the event itself. */
export const MARK_WORD = 4;
/** Place of the event in its entry. */
export const ORDINAL_WORD = 6;
export const RECORD_WORDS = 7;
export const RECORD_BYTES = 28;

/** In a page of a segment a record has the position of its entry as well, in two words. */
export const POSITION_WORD = 7;
export const PAGE_RECORD_WORDS = 9;

/** What an identity was taken by, as it is kept: the receipt and the two words of the mark. */
export interface Holder {
  readonly position: bigint;
  readonly ordinal: number;
  readonly mark: readonly [number, number];
}

/** Whether an event says what the holder of its identity says; undefined where one of them has no mark. */
export function sameMark([a, b]: Holder['mark'], [c, d]: Holder['mark']): boolean | undefined {
  return (a === 0 && b === 0) || (c === 0 && d === 0) ? undefined : a === c && b === d;
}

export const markAt = (records: Uint32Array, at: number): Holder['mark'] => [
  records[at + MARK_WORD] ?? 0,
  records[at + MARK_WORD + 1] ?? 0,
];

/** Bytes as words; bytes that do not begin where a word may are copied. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >>> 2);
}

/** Words as bytes, of the same memory. */
export const bytesOf = (words: Uint32Array): Buffer => Buffer.from(words.buffer, words.byteOffset, words.byteLength);
