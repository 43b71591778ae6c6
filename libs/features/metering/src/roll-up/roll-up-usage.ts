import { Contributions } from '@core/metering';
import { Fault } from '@core/faults';
import { type Clock, addMs } from '@core/time';
import type { Writer, WriterTx } from '@platform/database';
import type { Outbox } from '@platform/queues';
import { Catalogue, type OpenEntry, openEntry } from './catalogue.js';
import { contribute } from './contribute.js';
import { DerivedStore, rowsOf } from './derived.store.js';
import { overHourCeilings } from './hour-ceilings.js';
import { type LogEntry, LogReader } from '../log/log.reader.js';
import { RebuildUsage } from './rebuild-usage.js';
import { type FoundHeld, RollUpStore, heldEvent, unreadable } from './roll-up.store.js';
import { MOST_SERIES, SeriesPlaces } from './series-places.js';

export interface RollUpOptions {
  /** How long usage waits before it is rated, so that what follows shortly is rated with it. 0 when left out. */
  readonly rateAfterMs?: number;
  /** Most series of an account's day of a meter that are kept apart. */
  readonly mostSeries?: number;
  /** Most entries, and bytes of their bodies, in one transaction. */
  readonly entries?: number;
  readonly bytes?: number;
}

interface RolledUp {
  readonly entries: number;
  readonly events: number;
  /** Positions of the log that remain. */
  readonly behind: number;
}

type Pass = { -readonly [Part in keyof RolledUp]: RolledUp[Part] } & { marked: boolean };

/** An entry on its way; its body is absent when it could not be read, which is then found out again. */
interface ReadEntry {
  readonly entry: LogEntry;
  readonly open: OpenEntry | undefined;
}

/** Tries before an entry that cannot be applied is put aside. */
const MOST_TRIES = 3;

/**
 * Follows the usage log: reads after its cursor, gathers what a page of entries changes, and writes the derived rows, what is
 * to be rated, what was found not to count and the cursor in one transaction. Any number may run at once; they take turns.
 */
export class RollUpUsage {
  readonly #log = new LogReader();
  readonly #derived = new DerivedStore();
  readonly #store = new RollUpStore();
  readonly #rebuild: RebuildUsage;
  readonly #places: SeriesPlaces;
  /** How often entries failed, by position. */
  readonly #tries = new Map<bigint, number>();

  constructor(
    private readonly writer: Writer,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly options: RollUpOptions = {},
  ) {
    this.#rebuild = new RebuildUsage(writer, options.mostSeries);
    this.#places = new SeriesPlaces(options.mostSeries ?? MOST_SERIES);
  }

  /**
   * Rolls up what is settled. With `through: 'now'` it insists on everything that was committed before the call.
   * @throws when an entry cannot be applied, until it has failed three times: then it is put aside as `unreadable` events
   */
  async run(input: { readonly through?: 'now' } = {}): Promise<RolledUp> {
    const mark = await this.#store.settled(this.writer, input.through === 'now' ? 12 : 1);
    await this.#rebuild.pending();
    const pass: Pass = { entries: 0, events: 0, behind: 0, marked: false };
    try {
      let cursor = await this.#log.cursor(this.writer);
      let ahead = mark === undefined || mark <= cursor ? undefined : this.#read(cursor, mark);
      while (mark !== undefined && ahead) {
        const page = await ahead;
        const last = page.at(-1)?.entry.position;
        // The next page is read and taken apart while the database writes this one.
        ahead = last === undefined || last >= mark ? undefined : this.#read(last, mark);
        const reached = await this.#write(page, cursor, last ?? mark, pass);
        if (reached !== (last ?? mark)) ahead = reached < mark ? this.#read(reached, mark) : undefined;
        cursor = reached;
      }
      pass.behind = Number((await this.#store.given(this.writer)) - cursor);
    } finally {
      if (pass.marked) await this.writer.transaction((tx) => this.outbox.add(tx, 'rate-usage', {}));
    }
    const { entries, events, behind } = pass;
    return { entries, events, behind };
  }

  #read(after: bigint, through: bigint): Promise<ReadEntry[]> {
    const { entries, bytes } = this.options;
    const range = {
      ...{ after, through },
      ...(entries === undefined ? {} : { entries }),
      ...(bytes === undefined ? {} : { bytes }),
    };
    const page = this.#log.page(this.writer, range).then((read) => read.map(takeApart));
    // It is awaited later, and not at all when the page before it fails.
    page.catch(() => undefined);
    return page;
  }

  /** Applies a page and answers how far the log is rolled up: further than asked for when somebody else was faster. */
  async #write(page: readonly ReadEntry[], after: bigint, through: bigint, pass: Pass): Promise<bigint> {
    try {
      return await this.#transaction(page, after, through, pass);
    } catch (error) {
      this.#places.forget();
      if (isPassing(error)) throw error;
      const [first] = page;
      if (!first) throw error;
      if (page.length === 1) return this.#putAside(first.entry, after, through, error, pass);
      let cursor = after;
      for (const [i, each] of page.entries()) {
        const last = i === page.length - 1 ? through : each.entry.position;
        const reached = await this.#write([each], cursor, last, pass);
        if (reached !== last) return reached;
        cursor = reached;
      }
      return cursor;
    }
  }

  async #putAside(entry: LogEntry, after: bigint, through: bigint, error: unknown, pass: Pass): Promise<bigint> {
    const tries = (this.#tries.get(entry.position) ?? 0) + 1;
    this.#tries.set(entry.position, tries);
    if (tries < MOST_TRIES) throw error;
    const reached = await this.writer.transaction(async (tx) => {
      const cursor = await this.#store.takeTurn(tx);
      if (cursor !== after) return cursor;
      await this.#store.leaveOut(tx, [{ entry, ordinals: Array.from({ length: entry.events }, (_, i) => i) }]);
      await this.#store.hold(tx, unreadable(entry, error));
      await this.#store.moveTo(tx, through);
      return through;
    });
    this.#tries.delete(entry.position);
    if (reached === through) pass.entries += 1;
    return reached;
  }

  async #transaction(page: readonly ReadEntry[], after: bigint, through: bigint, pass: Pass): Promise<bigint> {
    if (through === after) return after;
    const opened = page.map(({ entry, open }) => open ?? openEntry(entry));
    const outcome = await this.writer.transaction(async (tx) => {
      const cursor = await this.#store.takeTurn(tx);
      if (cursor !== after) return { cursor, marked: 0 };
      const marked = page.length > 0 ? await this.#apply(tx, opened) : 0;
      await this.#store.moveTo(tx, through);
      return { cursor: through, marked };
    });
    if (outcome.cursor === through) {
      pass.entries += page.length;
      pass.events += page.reduce((sum, { entry }) => sum + entry.events, 0);
    }
    pass.marked ||= outcome.marked > 0;
    return outcome.cursor;
  }

  async #apply(tx: WriterTx, page: readonly OpenEntry[]): Promise<number> {
    const catalogue = await Catalogue.of(tx, page);
    const leftOut = await this.#findSkipped(tx, page, catalogue);
    const byProvider = new Map<string, OpenEntry[]>();
    for (const open of page) {
      const own = byProvider.get(open.entry.provider);
      if (own) own.push(open);
      else byProvider.set(open.entry.provider, [open]);
    }
    const dueAt = addMs(this.clock.now(), this.options.rateAfterMs ?? 0);
    let marked = 0;
    for (const [provider, entries] of byProvider) {
      const contributions = new Contributions();
      for (const open of entries) contribute(contributions, open, catalogue, leftOut.get(open.entry.position));
      const rows = await this.#places.settle(tx, provider, rowsOf(contributions), entries, catalogue);
      await this.#derived.apply(tx, provider, rows);
      marked += await this.#store.markDue(tx, contributions.touched(), dueAt);
    }
    return marked;
  }

  /** Finds the events that do not count after all, and keeps a record of them. */
  async #findSkipped(
    tx: WriterTx,
    page: readonly OpenEntry[],
    catalogue: Catalogue,
  ): Promise<Map<bigint, readonly number[]>> {
    const leftOut = new Map<bigint, number[]>();
    const add = (position: bigint, ordinals: readonly number[]) =>
      leftOut.set(position, [...(leftOut.get(position) ?? []), ...ordinals]);
    const held: FoundHeld[] = [];
    const entries = new Map(page.map((open) => [open.entry.position, open]));
    for (const [position, ordinals] of await overHourCeilings(tx, page, catalogue, leftOut)) {
      add(position, ordinals);
      const open = entries.get(position);
      for (const ordinal of open ? ordinals : []) {
        held.push({ position, ordinal, reason: 'over_hour_ceiling', event: heldEvent(open, ordinal) });
      }
    }
    await this.#store.leaveOut(
      tx,
      [...leftOut].flatMap(([position, ordinals]) => {
        const entry = entries.get(position)?.entry;
        return entry ? [{ entry, ordinals }] : [];
      }),
    );
    await this.#store.hold(
      tx,
      held.flatMap((each) => {
        const provider = entries.get(each.position)?.entry.provider;
        return provider === undefined ? [] : [{ ...each, provider }];
      }),
    );
    return leftOut;
  }
}

function takeApart(entry: LogEntry): ReadEntry {
  try {
    return { entry, open: openEntry(entry) };
  } catch {
    return { entry, open: undefined };
  }
}

/** What the same entry may not meet again: the database away, a lock, a conflict between transactions. */
function isPassing(error: unknown): boolean {
  if (error instanceof Fault) return error.code === 'unavailable';
  const code = error instanceof Error ? String(Reflect.get(error, 'code')) : '';
  return /^(08|40|53|55|57)/.test(code);
}
