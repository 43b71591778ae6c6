import type { Writer } from '@platform/database';
import { IDENTITY_BYTES } from './event-identity.js';

/** 12 bits an identity and 8 looks: about one in 300 identities that are not in a segment seems to be. */
const BITS_PER_IDENTITY = 12;
const LOOKS = 8;
const SPAN = 2 ** 32;

/**
 * An empty Bloom filter for so many identities. Its bits are picked with the bytes of the identity itself, which are those of a
 * cryptographic hash.
 */
export const emptyFilter = (identities: number): Buffer =>
  Buffer.alloc(Math.max(8, Math.ceil((identities * BITS_PER_IDENTITY) / 8)));

export function addToFilter(filter: Uint8Array, first: number, step: number): void {
  const bits = filter.length * 8;
  let hash = first;
  for (let i = 0; i < LOOKS; i += 1) {
    const bit = Math.floor((hash / SPAN) * bits);
    filter[bit >>> 3] = (filter[bit >>> 3] ?? 0) | (1 << (bit & 7));
    hash = (hash + step) >>> 0;
  }
}

/** False: it is not among those added. True: it may be. */
export function mayContain(filter: Uint8Array, first: number, step: number): boolean {
  const bits = filter.length * 8;
  let hash = first;
  for (let i = 0; i < LOOKS; i += 1) {
    const bit = Math.floor((hash / SPAN) * bits);
    if (((filter[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
    hash = (hash + step) >>> 0;
  }
  return true;
}

/** The two numbers that pick an identity's bits. */
export const hashesAt = (identities: Buffer, at: number): readonly [first: number, step: number] => [
  identities.readUInt32LE(at),
  identities.readUInt32LE(at + 4) | 1,
];

/** The open segment, among the segments to look in. */
const OPEN = 0;
/** Identities remembered as taken in the open segment. */
const RECENT = 2_000_000;
/** Commits for which others are expected to take the same identities, after it happened. */
const CAREFUL_COMMITS = 32;

/** Where identities may be stored: identity `places[i]` in segment `segments[i]`. */
export interface Probes {
  readonly places: readonly number[];
  readonly segments: readonly number[];
  /** The segments whose filters were asked. */
  readonly known: readonly number[];
  /** Whether others are likely to take the same identities at the same time. */
  readonly careful: boolean;
}

const ofWriter = new WeakMap<Writer, IdentityFilters>();

/**
 * What a process knows of which identities are taken, so that for most the database need not look: the filters of the closed
 * segments, 1.5 bytes an identity, and one of those it has taken itself lately. It may be incomplete, and is never believed.
 */
export class IdentityFilters {
  readonly #filters = new Map<number, Uint8Array>();
  #loading: Promise<void> | undefined;
  #loaded = false;
  #recent = emptyFilter(RECENT);
  #recentCount = 0;
  #careful = 0;

  private constructor(private readonly writer: Writer) {}

  /** The ones shared by all who write through this writer. */
  static of(writer: Writer): IdentityFilters {
    const filters = ofWriter.get(writer) ?? new IdentityFilters(writer);
    ofWriter.set(writer, filters);
    return filters;
  }

  /** Loads the filters there are, the first time. */
  async ready(): Promise<void> {
    if (!this.#loaded) await this.load();
  }

  /** Hears of segments that have a filter; those not loaded yet are loaded in the background. */
  learn(segments: readonly number[]): void {
    // Until it succeeds the database looks up what no filter rules out: slower, and as right.
    if (segments.some((segment) => !this.#filters.has(segment))) this.load().catch(() => undefined);
  }

  /** Loads the filters that are not loaded yet and lets go of those whose segments are gone. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #load(): Promise<void> {
    const rows = await this.writer.query<{ segment: number }>(
      'SELECT segment FROM identity_segments WHERE filter IS NOT NULL ORDER BY segment DESC',
    );
    const present = new Set(rows.map(({ segment }) => segment));
    for (const segment of this.#filters.keys()) if (!present.has(segment)) this.#filters.delete(segment);
    for (const segment of present) {
      if (this.#filters.has(segment)) continue;
      const [row] = await this.writer.query<{ filter: Buffer | null }>(
        'SELECT filter FROM identity_segments WHERE segment = $1',
        [segment],
      );
      if (row?.filter) this.#filters.set(segment, row.filter);
    }
    this.#loaded = true;
  }

  /** Which of the identities, that follow each other in a buffer, may be stored where. They are remembered as taken. */
  probes(identities: Buffer): Probes {
    const places: number[] = [];
    const segments: number[] = [];
    const filters = [...this.#filters];
    for (let at = 0, place = 0; at < identities.length; at += IDENTITY_BYTES, place += 1) {
      const [first, step] = hashesAt(identities, at);
      if (mayContain(this.#recent, first, step)) {
        places.push(place);
        segments.push(OPEN);
      } else {
        addToFilter(this.#recent, first, step);
        this.#recentCount += 1;
      }
      for (const [segment, filter] of filters) {
        if (!mayContain(filter, first, step)) continue;
        places.push(place);
        segments.push(segment);
      }
    }
    if (this.#recentCount > RECENT) {
      this.#recent = emptyFilter(RECENT);
      this.#recentCount = 0;
    }
    if (this.#careful > 0) this.#careful -= 1;
    return { places, segments, known: filters.map(([segment]) => segment), careful: this.#careful > 0 };
  }

  /** Hears which places turned out to be taken: those nobody thought of were taken by another process. */
  taken({ places }: Probes, taken: readonly number[]): void {
    if (taken.length === 0) return;
    const expected = new Set(places);
    if (taken.some((place) => !expected.has(place))) this.#careful = CAREFUL_COMMITS;
  }
}
