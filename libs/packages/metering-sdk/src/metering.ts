import type { UsageAction } from './contract.js';
import type { Counters } from './counters.js';
import { ClosedError, type MeteringError, SpanLostError } from './errors.js';
import { timeOrderedIds } from './ids.js';
import type { OpenSpool } from './journal.js';
import { Lane } from './lane.js';
import { OpenDoor, type Written, written } from './open-door.js';
import { type MeteringOptions, type Settings, settingsOf } from './options.js';
import { secondsBetween } from './quantity.js';
import { Reporter } from './reporter.js';
import { Room } from './room.js';
import { Sender } from './sender.js';
import { type Span, startSpan } from './span.js';
import { keptBatch, StreamDoor } from './stream-door.js';
import type { StreamUsage } from './stream-draft.js';
import { isStreamable } from './stream-form.js';
import {
  type ActionOptions,
  actionUsage,
  type DeltaRecord,
  deltaUsage,
  eventOf,
  type LevelRecord,
  levelUsage,
  type Usage,
  type UsageRecord,
  valueUsage,
  type WeightOptions,
} from './usage.js';

/** How a `flush` or `close` ended. */
export interface FlushResult {
  /** Everything recorded before the call has been answered for (or was given up on the way; see `counters`). */
  readonly complete: boolean;
  /** Events recorded before the call that have not been answered for. With a spool they are safe on disk. */
  readonly unsent: number;
}

const DEADLINE_MS = 30_000;

/**
 * Records usage and delivers it to Farebox: at least once on the wire, once in the bill. Usage goes by the stream door in
 * numbered batches; usage with an id of the caller's goes by the open door. Behind each door one request is under way at a
 * time, so events arrive in the order they were recorded.
 */
export class Metering {
  readonly #settings: Settings;
  readonly #room: Room;
  readonly #sender: Sender;
  readonly #stream: Lane<StreamUsage>;
  readonly #open: Lane<Written>;
  readonly #spool: OpenSpool | undefined;
  readonly #newId: () => string;
  readonly #reporter: Reporter;
  #closing: Promise<FlushResult> | undefined;

  /**
   * With a spool, what an earlier process left in it is sent at once.
   * @throws InvalidOptionError; with a spool also SpoolLockedError, SpoolFullError, SpoolFailedError
   */
  constructor(options: MeteringOptions) {
    const settings = settingsOf(options);
    const { stream, open } = settings.batches;
    this.#settings = settings;
    this.#newId = timeOrderedIds(settings.now);
    this.#room = new Room(settings.capacity);
    this.#sender = new Sender(settings);
    const streamDoor = new StreamDoor(settings.source, this.#newId, stream);
    this.#reporter = new Reporter(options, () => streamDoor.beginAnew());
    const spool = (this.#spool = options.spool?.open());

    const found = spool?.stream.found;
    if (found?.stream !== undefined) streamDoor.goOn(found.stream);
    const pending = found?.pending;
    const kept = pending && { batch: keptBatch(pending.body), through: pending.through };
    const setAside = spool && ((name: string, text: string) => spool.setAside(name, text));
    const { room, sender, reporter } = { room: this.#room, sender: this.#sender, reporter: this.#reporter };
    const shared = { settings, room, sender, reporter, setAside, filled: () => this.#pump() };
    const ofStream = { door: streamDoor, maxBytes: stream.maxBytes, numbering: streamDoor, kept };
    const ofOpen = { door: new OpenDoor(open.maxEvents, open.maxBytes), maxBytes: open.maxBytes };
    this.#stream = new Lane({ ...shared, ...ofStream, journal: spool?.stream });
    this.#open = new Lane({ ...shared, ...ofOpen, journal: spool?.open });
    this.#pump();
  }

  /**
   * Resolves when the event is in the queue, or on disk where there is a spool; not when it has arrived. Rejects with
   * InvalidRecordError, QueueFullError, SpoolFullError, SpoolFailedError or ClosedError; then nothing was recorded.
   */
  async record(record: UsageRecord): Promise<void> {
    await this.#take(valueUsage(record, this.#settings.now));
  }

  /** Like `record`, for meters of levels: there is this much from now on, whatever there was before. */
  async level(record: LevelRecord): Promise<void> {
    await this.#take(levelUsage(record, this.#settings.now));
  }

  /** Like `level`, where only the change is known. */
  async delta(record: DeltaRecord): Promise<void> {
    await this.#take(deltaUsage(record, this.#settings.now));
  }

  /** For meters of durations: the resource runs from now on. */
  start(meter: string, account: string, resource: string, options: WeightOptions = {}): Promise<void> {
    return this.#act('start', meter, account, resource, options);
  }

  /** The resource runs no more. */
  stop(meter: string, account: string, resource: string, options: ActionOptions = {}): Promise<void> {
    return this.#act('stop', meter, account, resource, options);
  }

  /** The resource runs on, with another weight. */
  resize(
    meter: string,
    account: string,
    resource: string,
    options: WeightOptions & Required<Pick<WeightOptions, 'weight'>>,
  ): Promise<void> {
    return this.#act('resize', meter, account, resource, options);
  }

  /** The resource still runs; for meters that stop counting when they hear nothing. */
  heartbeat(meter: string, account: string, resource: string, options: ActionOptions = {}): Promise<void> {
    return this.#act('heartbeat', meter, account, resource, options);
  }

  /** Starts measuring compute seconds on the monotonic clock; `end()` records them. */
  span(meter: string, account: string): Span;
  /**
   * Measures `work` and records its seconds, whether it succeeds or fails. Its outcome is handed through untouched: a span
   * that cannot be recorded goes to `onError` as a SpanLostError.
   */
  span<Result>(meter: string, account: string, work: () => Promise<Result>): Promise<Result>;
  span<Result>(meter: string, account: string, work?: () => Promise<Result>): Span | Promise<Result> {
    let measured = '0';
    const span = startSpan(this.#settings.elapsed, (seconds) => {
      measured = seconds;
      return this.record({ meter, account, value: seconds });
    });
    if (work === undefined) return span;
    const lost = (cause: unknown): void => this.report(new SpanLostError(measured, { cause }));
    return (async () => {
      try {
        return await work();
      } finally {
        await span.end().catch(lost);
      }
    })();
  }

  /** Starts the monotonic clock; each call of what it gives says how many seconds have passed, as `span` would. */
  stopwatch(): () => string {
    const { elapsed } = this.#settings;
    const start = elapsed();
    return () => secondsBetween(start, elapsed());
  }

  /** Sends what was recorded so far and waits for the answers, at most until the deadline; the rest is sent later. */
  async flush({ deadlineMs = DEADLINE_MS }: { readonly deadlineMs?: number } = {}): Promise<FlushResult> {
    let isLate = false;
    let giveUp = (): void => undefined;
    const deadline = new Promise<void>((resolve) => (giveUp = resolve));
    const cancel = this.#settings.deadlineTimer(deadlineMs, () => {
      isLate = true;
      giveUp();
    });
    if (this.#spool) await Promise.race([deadline, Promise.all(this.#lanes.map((lane) => lane.written()))]);
    const ends = this.#lanes.map((lane) => ({ lane, through: lane.end }));
    for (const { lane, through } of ends) lane.sendThrough(through);
    const callOffs: (() => void)[] = [];
    const answered = ends.map(
      ({ lane, through }) => new Promise<void>((done) => callOffs.push(lane.whenAnswered(through, done))),
    );
    if (!isLate) await Promise.race([deadline, Promise.all(answered)]);
    cancel();
    for (const callOff of callOffs) callOff();
    const unsent = ends.reduce((sum, { lane, through }) => sum + Math.max(0, through - lane.answered), 0);
    return { complete: unsent === 0, unsent };
  }

  /**
   * Refuses further records, those that wait for room included, and flushes. What is unsent at the deadline stays in the
   * spool for the next process; without a spool it is dropped and handed to `onError`.
   */
  close(options: { readonly deadlineMs?: number } = {}): Promise<FlushResult> {
    return (this.#closing ??= this.#close(options));
  }

  counters(): Counters {
    const sum = (count: (lane: Lane<StreamUsage> | Lane<Written>) => number): number =>
      count(this.#stream) + count(this.#open);
    const queued = sum((lane) => lane.queued);
    const recovered = sum((lane) => lane.recovered);
    return {
      ...this.#reporter.tally,
      queued,
      recovered,
      spooled: this.#spool ? queued - recovered : 0,
      spilled: sum((lane) => lane.spilled),
      waiting: sum((lane) => lane.waiting),
    };
  }

  /** Hands an error to `onError`. For what records usage on your behalf and must not fail. */
  report(error: MeteringError): void {
    this.#reporter.error(error);
  }

  get #lanes(): readonly (Lane<StreamUsage> | Lane<Written>)[] {
    return [this.#stream, this.#open];
  }

  async #act(
    action: UsageAction,
    meter: string,
    account: string,
    resource: string,
    options: WeightOptions,
  ): Promise<void> {
    await this.#take(actionUsage(action, { meter, account, resource }, options, this.#settings.now));
  }

  #take(usage: Usage): Promise<void> {
    if (this.#closing !== undefined) throw new ClosedError('This client was closed.');
    if (isStreamable(usage)) return this.#stream.record(usage);
    return this.#open.record(written(eventOf(usage, usage.id ?? this.#newId(), this.#settings.source)));
  }

  async #close(options: { readonly deadlineMs?: number }): Promise<FlushResult> {
    this.#room.refuseWaiting(new ClosedError('This client was closed while the record waited for room.'));
    const result = await this.flush(options);
    if (this.#spool) {
      const closed = this.#lanes.map((lane) => lane.close());
      this.#sender.abandon();
      await Promise.all(closed);
      await this.#spool.close();
    } else {
      this.#sender.abandon();
      await this.flush();
    }
    return result;
  }

  #pump(): void {
    for (const lane of this.#lanes) lane.pump();
  }
}
