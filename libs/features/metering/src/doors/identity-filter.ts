/**
 * 16 bits an identity, in blocks of the size of a cache line: an identity sets 8 bits of one block, so that looking for it
 * touches memory once. About one in 500 identities that are not in a segment seems to be.
 */
const BITS_PER_IDENTITY = 16;
const BLOCK_WORDS = 16;
const BLOCK_BITS = BLOCK_WORDS * 32;
const LOOKS = 8;
const SPAN = 2 ** 32;

/** An empty Bloom filter for so many identities. Its bits are picked with words of the identity itself, a cryptographic hash. */
export const emptyFilter = (identities: number): Uint32Array =>
  new Uint32Array(BLOCK_WORDS * Math.max(1, Math.ceil((identities * BITS_PER_IDENTITY) / BLOCK_BITS)));

/** Adds the identity whose words begin at a place. */
export function addToFilter(filter: Uint32Array, words: Uint32Array, at: number): void {
  const block = blockOf(filter, words[at + 1] ?? 0);
  let bit = words[at + 2] ?? 0;
  const step = (words[at + 3] ?? 0) | 1;
  for (let i = 0; i < LOOKS; i += 1) {
    const word = block + ((bit >>> 5) & (BLOCK_WORDS - 1));
    filter[word] = (filter[word] ?? 0) | (1 << (bit & 31));
    bit = (bit + step) | 0;
  }
}

/** False: it is not among those added. True: it may be. */
export function mayContain(filter: Uint32Array, words: Uint32Array, at: number): boolean {
  const block = blockOf(filter, words[at + 1] ?? 0);
  let bit = words[at + 2] ?? 0;
  const step = (words[at + 3] ?? 0) | 1;
  for (let i = 0; i < LOOKS; i += 1) {
    if (((filter[block + ((bit >>> 5) & (BLOCK_WORDS - 1))] ?? 0) & (1 << (bit & 31))) === 0) return false;
    bit = (bit + step) | 0;
  }
  return true;
}

const blockOf = (filter: Uint32Array, word: number): number =>
  Math.floor((word / SPAN) * (filter.length / BLOCK_WORDS)) * BLOCK_WORDS;
