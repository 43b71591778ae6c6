import { Fault } from '@core/faults';
import type { Writer } from '@platform/database';
import { type BatchToKeep, entriesOf, heldJson } from './batch-to-keep.js';
import { integerArray } from './binary-arrays.js';
import { IdentityMemory, positionsOf } from './identity-memory.js';
import { type Holder, ORDINAL_WORD, RECORD_WORDS, bytesOf, markAt, sameMark } from './identity-record.js';
import { type LateRepeat, type TakenIdentity, lateHolder } from './identity.store.js';
import { ownRepeats } from './own-repeats.js';

/** A batch with the identities of its events, by ordinal. */
export interface IdentifiedBatch extends BatchToKeep {
  readonly records: Uint32Array;
}

/** By ordinal, the events of a batch whose identity was taken. */
export type Repeats = ReadonlyMap<number, TakenIdentity>;

/** Most identities kept in memory because they are in no segment yet. */
const MOST_UNFOLDED = 4_000_000;
/** How often identities are looked at anew because they were folded, or others took very many, meanwhile. */
const TRIES = 20;

interface Appended {
  readonly stale: boolean;
  readonly run: string;
  readonly before: string;
  readonly folded: string;
  readonly repeats: readonly LateRepeat[] | null;
  readonly positions: string;
  readonly voided: readonly [position: string, ordinal: number][];
}

/** What is known of the identities of the batches of a commit, by place among all of them. */
interface Sorted {
  readonly all: Uint32Array;
  readonly seen: number;
  readonly taken: ReadonlyMap<number, Holder>;
  /** The earlier place of an identity that is there twice. */
  readonly own: ReadonlyMap<number, number> | undefined;
  /** By batch, how many identities are new. */
  readonly counts: readonly number[];
  /** The new ones. */
  readonly fresh: Uint32Array;
}

/** Appends batches of identified events to the usage log: many batches, one round trip, one commit. */
export class OpenLogStore {
  readonly #memory: IdentityMemory;

  constructor(
    private readonly writer: Writer,
    private readonly mostUnfolded = MOST_UNFOLDED,
  ) {
    this.#memory = IdentityMemory.of(writer);
  }

  /**
   * Keeps batches, each identity once; one result per batch, in order.
   * @throws Fault unavailable (`identities_behind`) when more identities wait to be folded than a process keeps
   */
  async keep(batches: readonly IdentifiedBatch[]): Promise<Repeats[]> {
    await this.#memory.ready();
    if (this.#memory.size > this.mostUnfolded) {
      this.#memory.catchUp();
      throw behind();
    }
    const all = joined(batches.map(({ records }) => records));
    const own = ownRepeats(all, RECORD_WORDS);
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { seen, taken } = await this.#memory.look(this.writer, all, RECORD_WORDS);
      const sorted = sort(batches, { all, seen, taken, own });
      if (sorted.fresh.length === 0) {
        const [row] = await this.writer.query<Pick<Appended, 'voided'>>('SELECT voided_events($1) AS voided', [
          toldOf(taken),
        ]);
        return repeatsOf(batches, sorted, taken, new Map(), row?.voided ?? []);
      }
      const result = await this.#append(batches, sorted);
      if (result) return result;
      await this.#memory.refresh(this.writer);
    }
    throw behind();
  }

  /** Undefined when too little was known to tell what is new: nothing is written then. */
  async #append(batches: readonly IdentifiedBatch[], sorted: Sorted): Promise<Repeats[] | undefined> {
    const { seen, taken, fresh } = sorted;
    const written = batches.flatMap((batch, n) =>
      (sorted.counts[n] ?? 0) > 0 ? [withoutRepeats(batch, sorted, startOf(batches, n))] : [],
    );
    const counts = sorted.counts.filter((count) => count > 0);
    const entries = entriesOf(written);
    const [row] = await this.writer.query<Appended & Record<string, unknown>>(
      `SELECT stale, run::text, before::text, folded::text, repeats, positions, voided
      FROM append_open_batches($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
      [
        seen,
        bytesOf(fresh),
        integerArray(counts),
        written.map(({ provider }) => provider),
        integerArray(entries.map(({ off }) => off)),
        integerArray(entries.map(({ len }) => len)),
        written.map(({ since }) => since),
        written.map(({ until }) => until),
        integerArray(written.map(({ events }) => events)),
        written.map(({ accounts }) => `{${accounts.join(',')}}`),
        entries.map(({ skip }) => (skip ? `{${skip.join(',')}}` : null)),
        Buffer.concat(written.map(({ body }) => body)),
        heldJson(written, 1),
        toldOf(taken),
      ],
    );
    if (!row || row.stale) return undefined;
    const positions = positionsOf(row.positions);
    const late = row.repeats ?? [];
    const lost = new Set(late.map(({ at }) => at));
    const committed = { run: Number(row.run), before: Number(row.before), folded: Number(row.folded) };
    this.#memory.committed(committed, lost.size === 0 ? fresh : without(fresh, lost), {
      positions,
      counts: counts.map((count, n) => count - late.filter((each) => each.n === n + 1).length),
    });

    const holders = new Map(taken);
    const places = new Map<number, bigint>();
    let next = 0;
    sorted.counts.forEach((count, n) => {
      if (count > 0) places.set(n, positions[next++] ?? 0n);
    });
    if (late.length > 0) {
      const freshPlaces = placesOfFresh(sorted);
      for (const each of late) holders.set(freshPlaces[each.at] ?? -1, lateHolder(each));
    }
    return repeatsOf(batches, sorted, holders, places, row.voided);
  }
}

const behind = (): Fault =>
  new Fault('unavailable', 'Identities of events wait to be sorted away. Send the same again shortly.', {
    reason: 'identities_behind',
    retryAfterSeconds: 5,
  });

/** Entries whose events may have been voided. */
const toldOf = (taken: ReadonlyMap<number, Holder>): string[] => [
  ...new Set([...taken.values()].map(({ position }) => String(position))),
];

function joined(parts: readonly Uint32Array[]): Uint32Array {
  const [only] = parts;
  if (only && parts.length === 1) return only;
  const all = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const startOf = (batches: readonly IdentifiedBatch[], n: number): number =>
  batches.slice(0, n).reduce((sum, { events }) => sum + events, 0);

function sort(batches: readonly IdentifiedBatch[], looked: Pick<Sorted, 'all' | 'seen' | 'taken' | 'own'>): Sorted {
  const { all, taken, own } = looked;
  if (taken.size === 0 && !own) return { ...looked, counts: batches.map(({ events }) => events), fresh: all };
  const gone = new Set([...taken.keys(), ...(own?.keys() ?? [])]);
  let place = 0;
  const counts = batches.map(({ events }) => {
    let count = 0;
    for (const end = place + events; place < end; place += 1) if (!gone.has(place)) count += 1;
    return count;
  });
  return { ...looked, counts, fresh: without(all, gone) };
}

/** Records but for those at some places. */
function without(records: Uint32Array, gone: ReadonlySet<number>): Uint32Array {
  const rest = new Uint32Array(records.length - gone.size * RECORD_WORDS);
  let [from, to] = [0, 0];
  for (const place of [...gone].sort((a, b) => a - b)) {
    const end = place * RECORD_WORDS;
    rest.set(records.subarray(from, end), to);
    to += end - from;
    from = end + RECORD_WORDS;
  }
  rest.set(records.subarray(from), to);
  return rest;
}

/** By place among the new ones, the place among all. */
function placesOfFresh({ all, taken, own }: Sorted): number[] {
  const places: number[] = [];
  for (let place = 0; place < all.length / RECORD_WORDS; place += 1) {
    if (!taken.has(place) && !own?.has(place)) places.push(place);
  }
  return places;
}

/** A batch with its repeats among the events that do not count. */
function withoutRepeats(batch: IdentifiedBatch, { taken, own }: Sorted, start: number): IdentifiedBatch {
  if (taken.size === 0 && !own) return batch;
  const repeated: number[] = [];
  for (let i = 0; i < batch.events; i += 1) if (taken.has(start + i) || own?.has(start + i)) repeated.push(i);
  if (repeated.length === 0) return batch;
  const gone = new Set(repeated);
  return {
    ...batch,
    skip: [...new Set([...(batch.skip ?? []), ...repeated])].sort((a, b) => a - b),
    held: batch.held.filter(({ ordinal }) => !gone.has(ordinal)),
  };
}

/** What became of the identities of each batch. `places`: positions of the batches that were written. */
function repeatsOf(
  batches: readonly IdentifiedBatch[],
  { all, own }: Sorted,
  holders: ReadonlyMap<number, Holder>,
  places: ReadonlyMap<number, bigint>,
  voided: Appended['voided'],
): Repeats[] {
  if (holders.size === 0 && !own) return batches.map(() => NONE);
  const gone = new Set(voided.map(([position, ordinal]) => `${position}.${ordinal}`));
  const batchOf = (place: number): number => {
    let [n, end] = [0, batches[0]?.events ?? 0];
    while (place >= end) end += batches[(n += 1)]?.events ?? Infinity;
    return n;
  };
  const repeats = batches.map(() => new Map<number, TakenIdentity>());
  const say = (place: number, { position, ordinal, mark }: Holder): void => {
    const n = batchOf(place);
    repeats[n]?.set(place - startOf(batches, n), {
      receipt: { position, ordinal },
      same: sameMark(mark, markAt(all, place * RECORD_WORDS)),
      voided: gone.has(`${position}.${ordinal}`),
    });
  };
  for (const [place, holder] of holders) say(place, holder);
  for (const [place, earlier] of own ?? []) {
    if (holders.has(place)) continue;
    const at = earlier * RECORD_WORDS;
    const first = { position: places.get(batchOf(earlier)) ?? 0n, ordinal: all[at + ORDINAL_WORD] ?? 0 };
    say(place, holders.get(earlier) ?? { ...first, mark: markAt(all, at) });
  }
  return repeats;
}

const NONE: Repeats = new Map();
