import { addToFilter, emptyFilter } from './identity-filter.js';
import { bucketOf, bucketsFor } from './identity-pages.js';
import { PAGE_RECORD_WORDS, RECORD_WORDS } from './identity-record.js';

const WORD = 2n ** 32n;

/** Pages of a segment that follow each other, empty ones left out. */
interface Pages {
  readonly buckets: readonly number[];
  /** Where in `records` each page begins, and how many bytes it has. */
  readonly offs: readonly number[];
  readonly lens: readonly number[];
  readonly records: Uint32Array;
}

/** Sorts the identities of runs into the pages of a segment, and makes its filter. */
export class SegmentBuilder {
  readonly filter: Uint32Array;
  readonly buckets: number;
  readonly #records: Uint32Array;
  #count = 0;

  constructor(readonly ids: number) {
    this.buckets = bucketsFor(ids);
    this.filter = emptyFilter(ids);
    this.#records = new Uint32Array(ids * PAGE_RECORD_WORDS);
  }

  /** Adds the records of a run: of each position its count. */
  add(records: Uint32Array, positions: readonly bigint[], counts: readonly number[]): void {
    let at = 0;
    counts.forEach((count, n) => {
      const position = positions[n] ?? 0n;
      const [low, high] = [Number(position % WORD), Number(position / WORD)];
      for (let i = 0; i < count; i += 1, at += RECORD_WORDS) {
        const to = this.#count * PAGE_RECORD_WORDS;
        this.#records.set(records.subarray(at, at + RECORD_WORDS), to);
        this.#records[to + RECORD_WORDS] = low;
        this.#records[to + RECORD_WORDS + 1] = high;
        addToFilter(this.filter, records, at);
        this.#count += 1;
      }
    });
  }

  /** All pages, so many at a time. */
  *pages(together: number): Generator<Pages> {
    const starts = new Uint32Array(this.buckets + 1);
    const bucketAt = (i: number): number => bucketOf(this.#records[i * PAGE_RECORD_WORDS] ?? 0, this.buckets);
    for (let i = 0; i < this.#count; i += 1) starts[bucketAt(i) + 1] = (starts[bucketAt(i) + 1] ?? 0) + 1;
    for (let bucket = 0; bucket < this.buckets; bucket += 1)
      starts[bucket + 1] = (starts[bucket + 1] ?? 0) + (starts[bucket] ?? 0);
    const next = starts.slice();
    const order = new Uint32Array(this.#count);
    for (let i = 0; i < this.#count; i += 1) {
      const bucket = bucketAt(i);
      order[next[bucket] ?? 0] = i;
      next[bucket] = (next[bucket] ?? 0) + 1;
    }
    for (let first = 0; first < this.buckets; first += together) {
      yield this.#some(starts, order, first, Math.min(this.buckets, first + together));
    }
  }

  #some(starts: Uint32Array, order: Uint32Array, first: number, end: number): Pages {
    const start = starts[first] ?? 0;
    const records = new Uint32Array(((starts[end] ?? 0) - start) * PAGE_RECORD_WORDS);
    for (let i = start; i < (starts[end] ?? 0); i += 1) {
      const from = (order[i] ?? 0) * PAGE_RECORD_WORDS;
      records.set(this.#records.subarray(from, from + PAGE_RECORD_WORDS), (i - start) * PAGE_RECORD_WORDS);
    }
    const [buckets, offs, lens] = [[] as number[], [] as number[], [] as number[]];
    for (let bucket = first; bucket < end; bucket += 1) {
      const [from, to] = [starts[bucket] ?? 0, starts[bucket + 1] ?? 0];
      if (from === to) continue;
      buckets.push(bucket);
      offs.push((from - start) * PAGE_RECORD_WORDS * 4);
      lens.push((to - from) * PAGE_RECORD_WORDS * 4);
    }
    return { buckets, offs, lens, records };
  }
}
