import type { Writer } from '@platform/database';
import { addPageHolders, bucketOf, type Probe } from './identity-pages.js';
import { mayContain } from './identity-filter.js';
import { type Holder, ID_WORDS, RECORD_WORDS, wordsOf } from './identity-record.js';
import { IdentityTable } from './identity-table.js';
import { type Querying, queryRows } from '../log/query-rows.js';

/** Runs read at a time. */
const RUNS = 64;

/** Identities looked for among all that were taken up to a run. */
export interface Looked {
  /** All runs up to this one were looked at. */
  readonly seen: number;
  /** By place, those that were taken. */
  readonly taken: ReadonlyMap<number, Holder>;
}

interface Segment {
  readonly segment: number;
  readonly through: number;
  readonly buckets: number;
  readonly filter: Uint32Array;
}

const ofWriter = new WeakMap<Writer, IdentityMemory>();

/**
 * What a process knows of the identities that are taken, complete up to the run it has `seen`: exactly those of the runs that
 * were in no segment yet, about 50 bytes each, and the filters of the segments, 2 bytes an identity. Whatever is not in the one
 * is in the others. What came after is compared by the database when identities are taken, so that being behind costs time and
 * never an identity.
 */
export class IdentityMemory {
  #tables: IdentityTable[] = [];
  #segments: Segment[] = [];
  #seen = 0;
  #folded = 0;
  #ready = false;
  #catchingUp = false;

  private constructor(private readonly writer: Writer) {}

  /** The one shared by all who write through this writer. */
  static of(writer: Writer): IdentityMemory {
    const memory = ofWriter.get(writer) ?? new IdentityMemory(writer);
    ofWriter.set(writer, memory);
    return memory;
  }

  /** How many identities it keeps exactly. */
  get size(): number {
    return this.#tables.reduce((sum, { count }) => sum + count, 0);
  }

  /** Learns what is taken, the first time. */
  async ready(): Promise<void> {
    if (!this.#ready) await this.refresh(this.writer);
  }

  /** Learns what was committed up to now. Several may do so at once: each only adds what is missing. */
  async refresh(on: Querying): Promise<void> {
    for (let rest = true; rest;) rest = await this.#next(on);
    this.#ready = true;
  }

  /** The same in the background; what fails is made up for by the next one. */
  catchUp(): void {
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    void this.refresh(this.writer)
      .catch(() => undefined)
      .finally(() => (this.#catchingUp = false));
  }

  /** Reads the next runs. @returns whether there may be more */
  async #next(on: Querying): Promise<boolean> {
    const from = this.#seen;
    // One statement, hence one state of things: what is in no run that is read is in a segment.
    const rows = await queryRows<{
      folded: string;
      run: string | null;
      records: Buffer | null;
      positions: string | null;
      counts: number[] | null;
    }>(
      on,
      `SELECT s.folded::text, r.run::text, r.records, r.positions::text, r.counts
      FROM (SELECT coalesce(max(through), 0) AS folded FROM identity_segments) s
        LEFT JOIN LATERAL (SELECT * FROM identity_runs WHERE run > $1::bigint ORDER BY run LIMIT ${RUNS}) r ON true ORDER BY r.run`,
      [String(from)],
    );
    const folded = Number(rows[0]?.folded ?? 0);
    if (folded > this.#folded) await this.#load(on);
    if (folded > from) return true;
    for (const { run, records, positions, counts } of rows) {
      // Another one that read on meanwhile may have learnt that they are folded.
      if (run === null || !records || positions === null || !counts || Number(run) <= this.#folded) continue;
      this.#learn(Number(run), wordsOf(records), { positions: positionsOf(positions), counts });
      this.#seen = Math.max(this.#seen, Number(run));
    }
    return rows.length >= RUNS;
  }

  /** Loads the filters of the segments that are new, and lets go of the segments that are gone and of what is in the new ones. */
  async #load(on: Querying): Promise<void> {
    const rows = await queryRows<{ segment: number; through: string; buckets: number }>(
      on,
      'SELECT segment, through::text, buckets FROM identity_segments WHERE through IS NOT NULL ORDER BY segment',
    );
    const known = new Map(this.#segments.map((each) => [each.segment, each]));
    const segments: Segment[] = [];
    for (const { segment, through, buckets } of rows) {
      const old = known.get(segment);
      if (old) segments.push(old);
      else {
        const [row] = await queryRows<{ filter: Buffer }>(
          on,
          'SELECT filter FROM identity_segments WHERE segment = $1',
          [segment],
        );
        if (row) segments.push({ segment, through: Number(through), buckets, filter: wordsOf(row.filter) });
      }
    }
    const folded = segments.at(-1)?.through ?? 0;
    if (folded < this.#folded) return;
    this.#segments = segments;
    this.#folded = folded;
    this.#seen = Math.max(this.#seen, folded);
    this.#tables = this.#tables.filter(({ lastRun }) => lastRun > folded);
  }

  #learn(run: number, records: Uint32Array, of: { positions: readonly bigint[]; counts: readonly number[] }): void {
    let at = 0;
    of.counts.forEach((count, n) => {
      for (let i = 0; i < count; i += 1, at += RECORD_WORDS) {
        if (!this.#holder(records, at)) this.#roomy().add(run, records, at, of.positions[n] ?? 0n);
      }
    });
  }

  #roomy(): IdentityTable {
    const last = this.#tables.at(-1);
    if (last && !last.full) return last;
    const table = new IdentityTable();
    this.#tables.push(table);
    return table;
  }

  #holder(words: Uint32Array, at: number): Holder | undefined {
    for (let i = this.#tables.length - 1; i >= 0; i -= 1) {
      const table = this.#tables[i];
      const number = table?.find(words, at) ?? 0;
      if (number > 0) return table?.holder(number);
    }
    return undefined;
  }

  /**
   * Looks for the identities in `words`, one after the other with so many words each, in the memory and in the pages of segments
   * that may have them. Each has to be there once.
   */
  async look(on: Querying, words: Uint32Array, width: number): Promise<Looked> {
    const seen = this.#seen;
    const taken = new Map<number, Holder>();
    const probes: Probe[] = [];
    for (let at = 0, place = 0; at < words.length; at += width, place += 1) {
      const holder = this.#holder(words, at);
      if (holder) taken.set(place, holder);
      else {
        for (const { segment, buckets, filter } of this.#segments) {
          if (mayContain(filter, words, at)) probes.push({ place, segment, bucket: bucketOf(words[at] ?? 0, buckets) });
        }
      }
    }
    if (probes.length > 0) await addPageHolders(on, probes, words, width, taken);
    return { seen, taken };
  }

  /** What one identity was taken by, of all that is committed. */
  async find(on: Querying, identity: Buffer): Promise<Holder | undefined> {
    await this.refresh(on);
    return (await this.look(on, wordsOf(identity), ID_WORDS)).taken.get(0);
  }

  /**
   * Hears what was taken by a run that is committed. `before`: the last run before it · `folded`: the last one in a segment.
   */
  committed(
    { run, before, folded }: { readonly run: number; readonly before: number; readonly folded: number },
    records: Uint32Array,
    of: { readonly positions: readonly bigint[]; readonly counts: readonly number[] },
  ): void {
    if (run > this.#seen) {
      this.#learn(run, records, of);
      if (this.#seen >= before) this.#seen = run;
    }
    if (this.#seen < run || folded > this.#folded) this.catchUp();
  }
}

/** An array of positions in PostgreSQL's text form. */
export const positionsOf = (text: string): readonly bigint[] =>
  text === '{}' ? [] : text.slice(1, -1).split(',').map(BigInt);
