import { type Holder, MARK_WORD, ORDINAL_WORD, RECORD_WORDS } from './identity-record.js';

/** Records a table takes: with its places, 10 MiB. */
const RECORDS = 2 ** 18;
const PLACES = 2 * RECORDS;
/** A record and, in a word of its own, the number of its entry. */
const KEPT_WORDS = RECORD_WORDS + 1;
const SPAN = 2 ** 32;

/** Identities of some runs, exactly: an open hash table in arrays of numbers, which the garbage collector never looks into. */
export class IdentityTable {
  /** 0 for an empty place, else the number of the record, from 1. */
  readonly #places = new Uint32Array(PLACES);
  readonly #records = new Uint32Array(RECORDS * KEPT_WORDS);
  readonly #positions: bigint[] = [];
  #count = 0;
  #lastRun = 0;

  /** The last run of which there is something in it. */
  get lastRun(): number {
    return this.#lastRun;
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count >= RECORDS;
  }

  /** The number of the record of the identity whose words begin at a place; 0 when there is none. */
  find(words: Uint32Array, at: number): number {
    const [a = 0, b = 0, c = 0, d = 0] = [words[at], words[at + 1], words[at + 2], words[at + 3]];
    const records = this.#records;
    for (let place = Math.floor((a / SPAN) * PLACES); ; place = (place + 1) % PLACES) {
      const number = this.#places[place] ?? 0;
      if (number === 0) return 0;
      const own = (number - 1) * KEPT_WORDS;
      if (records[own] === a && records[own + 1] === b && records[own + 2] === c && records[own + 3] === d)
        return number;
    }
  }

  /** Adds a record that no table has, for an event of an entry. There must be room. */
  add(run: number, records: Uint32Array, at: number, position: bigint): void {
    const own = this.#count * KEPT_WORDS;
    for (let i = 0; i < RECORD_WORDS; i += 1) this.#records[own + i] = records[at + i] ?? 0;
    if (this.#positions.at(-1) !== position) this.#positions.push(position);
    this.#records[own + RECORD_WORDS] = this.#positions.length - 1;
    this.#count += 1;
    this.#lastRun = Math.max(this.#lastRun, run);
    let place = Math.floor(((records[at] ?? 0) / SPAN) * PLACES);
    while (this.#places[place] !== 0) place = (place + 1) % PLACES;
    this.#places[place] = this.#count;
  }

  holder(number: number): Holder {
    const own = (number - 1) * KEPT_WORDS;
    const word = (i: number): number => this.#records[own + i] ?? 0;
    return {
      position: this.#positions[word(RECORD_WORDS)] ?? 0n,
      ordinal: word(ORDINAL_WORD),
      mark: [word(MARK_WORD), word(MARK_WORD + 1)],
    };
  }
}
