import type { Batch, Door, Draft } from './batch.js';
import { InvalidRecordError, QueueFullError } from './errors.js';
import type { Journal } from './journal.js';
import { Keeper, type KeeperSetup, type Numbering, type Placed } from './keeper.js';
import type { Settings } from './options.js';
import type { Reporter } from './reporter.js';
import type { Room } from './room.js';
import type { Sender, SenderReports } from './sender.js';

/** Events in memory that will be one batch. */
interface Growing<Item> {
  readonly draft: Draft<Item>;
  /** When its first event came in, on the monotonic clock. What comes from the disk is late already. */
  readonly since: number;
  /** One more than the number of its last event. */
  through: number;
  isSealed: boolean;
}

export interface LaneSetup<Item> {
  readonly door: Door<Item>;
  readonly settings: Settings;
  readonly maxBytes: number;
  readonly room: Room;
  readonly sender: Sender;
  readonly reporter: Reporter;
  readonly journal?: Journal | undefined;
  readonly numbering?: Numbering | undefined;
  /** A batch whose bytes an earlier process may have sent. */
  readonly kept?: Placed | undefined;
  readonly setAside: KeeperSetup['setAside'];
  /** Memory ran full: what waits for age behind any door is due. */
  readonly filled: () => void;
}

const ONCE_READ = { least: 256, most: 4_096 };
const LONG_AGO = -Infinity;

/**
 * The way of events through one door: from the caller into memory, or to disk and from there into memory, then out in
 * batches, one request under way at a time. Events are numbered in the order they came, and so they leave.
 */
export class Lane<Item> {
  readonly #growing: Growing<Item>[] = [];
  readonly #keeper: Keeper;
  readonly #begin: number;
  /** What an earlier process left. */
  readonly recovered: number;
  /** Events before this one are, or were, in memory. */
  #loaded: number;
  /** Events before this one, from `#loaded` on, have to be read from the disk. */
  #onDiskThrough: number;
  /** Events before this one have been answered for. */
  #answered: number;
  /** Events before this one are to be sent, full batch or not. */
  #dueThrough: number;
  #settled = 0;
  #spilled = 0;
  #kept: Placed | undefined;
  #isSending = false;
  #isLoading = false;
  #hasEnded = false;
  #lastAppend: Promise<unknown> = Promise.resolve();
  #timer: { readonly of: Growing<Item>; readonly cancel: () => void } | undefined;
  #awaiting: { readonly through: number; readonly done: () => void }[] = [];
  #resting: (() => void)[] = [];

  constructor(private readonly setup: LaneSetup<Item>) {
    const { journal, kept, reporter, door, numbering, sender, setAside } = setup;
    const report = reporter.error;
    this.#keeper = new Keeper({ name: door.name, journal, numbering, sender, setAside, report });
    this.#begin = journal?.found?.answered ?? 0;
    this.#answered = this.#dueThrough = this.#begin;
    this.#kept = kept;
    this.#loaded = kept?.through ?? this.#begin;
    this.#onDiskThrough = journal?.end ?? 0;
    this.recovered = this.#onDiskThrough - this.#begin;
  }

  /** One more than the number of the last event taken. */
  get end(): number {
    return this.setup.journal?.end ?? this.#loaded;
  }
  /** Taken, with those an earlier process left. */
  get queued(): number {
    return this.end - this.#begin;
  }
  get spilled(): number {
    return this.#spilled;
  }
  /** Neither answered for nor given up. */
  get waiting(): number {
    return this.queued - this.#settled;
  }
  get answered(): number {
    return this.#answered;
  }

  /** Resolves when the event is taken. @throws InvalidRecordError, QueueFullError, SpoolFullError, SpoolFailedError */
  record(item: Item): Promise<void> {
    const { door, maxBytes, room, settings, journal } = this.setup;
    const bytes = door.sizeAlone(item);
    if (bytes > maxBytes)
      throw new InvalidRecordError(`The event makes a batch of ${bytes} bytes; a batch holds ${maxBytes}.`);
    if (settings.whenFull === 'reject' && room.isFull)
      throw new QueueFullError(`${settings.capacity} events wait already.`);
    if (journal === undefined) return room.wait(() => this.#enter(item, this.#loaded));
    const taken = this.#recordOn(journal, item);
    this.#lastAppend = taken.catch(() => undefined);
    return taken;
  }

  /** Waits for what is being written to disk just now. */
  async written(): Promise<void> {
    await this.#lastAppend;
  }

  /** Looks whether something is due, and sends it. */
  pump(): void {
    if (this.#hasEnded) return;
    void this.#load();
    const [first] = this.#growing;
    if (this.#isSending || (this.#kept === undefined && first === undefined)) return this.#wake(undefined);
    // With memory full a batch is due as well: nobody can add to it.
    const isDue = this.#answered < this.#dueThrough || this.setup.room.isFull || first?.isSealed;
    if (this.#kept !== undefined || isDue || first?.since === LONG_AGO) {
      this.#wake(undefined);
      this.#isSending = true;
      void this.#sendNext();
    } else this.#wake(first);
  }

  /** Everything before this number is to be sent now. */
  sendThrough(through: number): void {
    this.#dueThrough = Math.max(this.#dueThrough, through);
    this.pump();
  }

  /** Calls back once everything before this number has been answered for. Gives what calls it off. */
  whenAnswered(through: number, done: () => void): () => void {
    if (this.#answered >= through) {
      done();
      return () => undefined;
    }
    const waiter = { through, done };
    this.#awaiting.push(waiter);
    return () => void (this.#awaiting = this.#awaiting.filter((other) => other !== waiter));
  }

  /** Begins nothing more, and resolves when nothing is under way. What is not answered for stays on disk. */
  async close(): Promise<void> {
    this.#hasEnded = true;
    this.#wake(undefined);
    await this.written();
    if (this.#isSending || this.#isLoading) await new Promise<void>((resolve) => this.#resting.push(resolve));
    await this.#keeper.mark(this.#answered);
  }

  async #recordOn(journal: Journal, item: Item): Promise<void> {
    const { door, room, settings } = this.setup;
    const waits = settings.whenFull !== 'spill';
    if (waits) await room.wait(() => undefined);
    let ordinal: number;
    try {
      ordinal = await journal.append(door.toText(item));
    } catch (error) {
      if (waits) room.release(1);
      throw error;
    }
    const isNext = ordinal === this.#loaded && this.#loaded >= this.#onDiskThrough && !this.#isLoading;
    if (isNext && (waits || room.tryTake())) return this.#enter(item, ordinal);
    if (waits) room.release(1);
    this.#spilled += 1;
    this.#onDiskThrough = ordinal + 1;
    this.pump();
  }

  #enter(item: Item, ordinal: number): void {
    this.#place(item, ordinal, this.setup.settings.elapsed());
    this.pump();
    if (this.setup.room.isFull) this.setup.filled();
  }

  #place(item: Item, ordinal: number, since: number): void {
    let last = this.#growing.at(-1);
    if (last === undefined || last.isSealed || !last.draft.add(item)) {
      if (last !== undefined) last.isSealed = true;
      last = { draft: this.setup.door.newDraft(), since, through: ordinal, isSealed: false };
      last.draft.add(item);
      this.#growing.push(last);
    }
    last.through = this.#loaded = ordinal + 1;
    last.isSealed = last.draft.isFull;
  }

  /** Sees to it that a batch which is not due is looked at again when it is old enough. */
  #wake(growing: Growing<Item> | undefined): void {
    if (this.#timer?.of === growing) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (growing === undefined) return;
    const { maxAgeMs, elapsed, timer } = this.setup.settings;
    const cancel = timer(Math.max(0, Math.ceil(growing.since + maxAgeMs - elapsed())), () => {
      this.#timer = undefined;
      this.sendThrough(this.#loaded);
    });
    this.#timer = { of: growing, cancel };
  }

  async #sendNext(): Promise<void> {
    const isDone = await (this.#kept === undefined ? this.#sendGrown() : this.#deliver(this.#kept));
    this.#kept = undefined;
    if (isDone && this.#growing.length === 0) await this.#keeper.mark(this.#answered);
    this.#isSending = false;
    this.#rest();
    this.pump();
  }

  async #sendGrown(): Promise<boolean> {
    const next = this.#growing.shift();
    if (next === undefined) return true;
    const { door, numbering, room } = this.setup;
    const before = numbering?.position;
    const placed = { batch: door.seal(next.draft), through: next.through };
    if (!(await this.#keeper.beforeSending(placed, this.#answered))) {
      if (before !== undefined) numbering?.goOn(before); // Never sent, not on disk: the number is free.
      return false;
    }
    const isDone = await this.#deliver(placed);
    room.release(placed.batch.count);
    return isDone;
  }

  async #deliver({ batch, through }: Placed): Promise<boolean> {
    const { door, sender, reporter } = this.setup;
    const dropped: Batch[] = [];
    const reports: SenderReports = {
      ...reporter,
      answered: (part, answer, report) => {
        this.#settled += part.count;
        reporter.answered(part, answer, report);
      },
      dropped: (part, error) => {
        this.#settled += part.count;
        dropped.push(part);
        reporter.dropped(part, error);
      },
    };
    if ((await sender.send(door, batch, reports)) === 'left') return false;
    await this.#keeper.setAside(dropped, through);
    this.#settle(through);
    return true;
  }

  #settle(through: number): void {
    this.#answered = through;
    const due = this.#awaiting.filter((waiter) => waiter.through <= through);
    this.#awaiting = this.#awaiting.filter((waiter) => waiter.through > through);
    for (const { done } of due) done();
  }

  /** Reads from the disk what memory has room for. */
  async #load(): Promise<void> {
    const { journal, sender } = this.setup;
    if (journal === undefined || this.#isLoading || this.#readable() === 0) return;
    this.#isLoading = true;
    for (let failures = 0; this.#readable() > 0 && !sender.isAbandoned;) {
      try {
        await this.#read(journal, this.#readable());
        failures = 0;
      } catch (error) {
        if (++failures === 1) this.#keeper.failed(error);
        await sender.pause(failures);
      }
    }
    this.#isLoading = false;
    this.#rest();
    this.pump();
  }

  async #read(journal: Journal, most: number): Promise<void> {
    const { door, room, reporter } = this.setup;
    const { events, next, damage } = await journal.read(this.#loaded, most);
    room.take(events.length);
    for (const { ordinal, text } of events) this.#place(door.fromText(text), ordinal, LONG_AGO);
    this.#loaded = next;
    if (damage !== undefined) {
      this.#settled += damage.events;
      reporter.lost(damage, damage.events);
      if (this.#growing.length === 0 && !this.#isSending && this.#kept === undefined) this.#settle(next);
    }
    this.pump();
  }

  /** How many events to read now: as many as there is room for, but a door with none in memory gets some in any case. */
  #readable(): number {
    if (this.#hasEnded) return 0;
    const isEmpty = this.#growing.length === 0 && !this.#isSending && this.#kept === undefined;
    const room = Math.max(this.setup.room.free, isEmpty ? ONCE_READ.least : 0);
    return Math.max(0, Math.min(ONCE_READ.most, room, this.#onDiskThrough - this.#loaded));
  }

  #rest(): void {
    if (this.#isSending || this.#isLoading) return;
    for (const resolve of this.#resting.splice(0)) resolve();
  }
}
