import type { EventVerdict, UsageEvent } from './contract.js';
import { type Counters, emptyTally } from './counters.js';
import { ClosedError, type DroppedError, type MeteringError, QueueFullError, SpanLostError } from './errors.js';
import { type EventOrigin, levelEvent, type LevelRecord, queuedEvent, usageEvent, type UsageRecord } from './events.js';
import { timeOrderedIds } from './ids.js';
import { type MeteringOptions, type Settings, settingsOf } from './options.js';
import { EventQueue, type QueuedEvent } from './queue.js';
import { Sender } from './sender.js';
import { type Span, startSpan } from './span.js';

/** How a `flush` or `close` ended. */
export interface FlushResult {
  /** Everything recorded before the call has been answered for (or was given up on the way; see `counters`). */
  readonly complete: boolean;
  /** Events recorded before the call that have not been answered for. */
  readonly unsent: number;
}

const DEADLINE_MS = 30_000;

/**
 * Records usage and delivers it to Farebox: at least once on the wire, once in the bill. One request is under way at a time,
 * so events arrive in the order they were recorded.
 */
export class Metering {
  readonly #settings: Settings;
  readonly #origin: EventOrigin;
  readonly #queue: EventQueue;
  readonly #sender: Sender;
  readonly #tally = emptyTally();
  /** Everything up to this place in line is to be sent, full batch or not. */
  #dueThrough = 0;
  #sending = false;
  #closed = false;
  #cancelTimer: (() => void) | undefined;
  #awaiting: { through: number; done: () => void }[] = [];

  /** @throws InvalidOptionError */
  constructor(private readonly options: MeteringOptions) {
    const settings = settingsOf(options);
    this.#settings = settings;
    this.#origin = { source: settings.source, now: settings.now, newId: timeOrderedIds(settings.now) };
    this.#queue = new EventQueue(settings.capacity, settings.maxEvents, settings.maxBytes);
    this.#sender = new Sender(settings, {
      sent: (count) => void (this.#tally.sent += count),
      retried: () => void (this.#tally.retries += 1),
      answered: (batch, verdicts) => this.#answered(batch, verdicts),
      dropped: (batch, error) => this.#dropped(batch, error),
    });
  }

  /**
   * Resolves when the event is in the queue, not when it has arrived. Rejects with InvalidRecordError, QueueFullError or
   * ClosedError; then nothing was queued.
   */
  async record(record: UsageRecord): Promise<void> {
    await this.#enqueue(usageEvent(record, this.#origin));
  }

  /** Like `record`, for meters of levels: there is this much from now on, whatever there was before. */
  async level(record: LevelRecord): Promise<void> {
    await this.#enqueue(levelEvent(record, this.#origin));
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
    const lost = (cause: unknown): void => this.#report(new SpanLostError(measured, { cause }));
    return (async () => {
      try {
        return await work();
      } finally {
        await span.end().catch(lost);
      }
    })();
  }

  /** Sends what was recorded so far and waits for the answers, at most until the deadline; the rest is sent later. */
  async flush({ deadlineMs = DEADLINE_MS }: { readonly deadlineMs?: number } = {}): Promise<FlushResult> {
    const through = this.#queue.entered;
    this.#dueThrough = through;
    this.#pump();
    if (this.#queue.answered < through) await this.#answeredThrough(through, deadlineMs);
    const unsent = Math.max(0, through - this.#queue.answered);
    return { complete: unsent === 0, unsent };
  }

  /**
   * Refuses further records, those that wait for room included, and flushes. What is unsent at the deadline is dropped and
   * handed to `onError`.
   */
  async close(options: { readonly deadlineMs?: number } = {}): Promise<FlushResult> {
    this.#closed = true;
    this.#queue.refuseBlocked(new ClosedError('This client was closed while the record waited for room.'));
    const result = await this.flush(options);
    this.#sender.abandon();
    this.#dueThrough = this.#queue.entered;
    this.#pump();
    await this.#answeredThrough(this.#queue.entered, DEADLINE_MS);
    return result;
  }

  counters(): Counters {
    return { ...this.#tally, queued: this.#queue.entered };
  }

  #enqueue(event: UsageEvent): Promise<void> {
    if (this.#closed) throw new ClosedError('This client was closed.');
    const { capacity, whenFull, maxBytes, elapsed } = this.#settings;
    const queued = queuedEvent(event, elapsed(), maxBytes);
    if (whenFull === 'reject' && this.#queue.isFull) throw new QueueFullError(`${capacity} events wait already.`);
    const entered = this.#queue.enter(queued);
    this.#pump();
    return entered;
  }

  /** Starts sending if something is due and nothing is under way; otherwise sees to it that it is looked at again. */
  #pump(): void {
    if (this.#sending) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const { oldest } = this.#queue;
    if (oldest === undefined) return;
    // A full queue is due as well: nobody can add to its batch.
    if (this.#queue.hasFullBatch || this.#queue.isFull || this.#queue.answered < this.#dueThrough) {
      this.#sending = true;
      void this.#sendNext();
      return;
    }
    const { maxAgeMs, elapsed, timer } = this.#settings;
    this.#cancelTimer = timer(Math.max(0, Math.ceil(oldest.at + maxAgeMs - elapsed())), () => {
      this.#dueThrough = Math.max(this.#dueThrough, this.#queue.entered);
      this.#pump();
    });
  }

  async #sendNext(): Promise<void> {
    await this.#sender.send(this.#queue.take());
    this.#sending = false;
    this.#pump();
  }

  #answered(batch: readonly QueuedEvent[], verdicts: readonly EventVerdict[]): void {
    batch.forEach(({ event }, index) => {
      const verdict = verdicts[index];
      if (verdict === undefined) return;
      this.#tally[verdict.verdict === 'accepted' ? 'acknowledged' : verdict.verdict] += 1;
      if (verdict.verdict !== 'conflict' && verdict.verdict !== 'rejected') return;
      this.#refused(verdict, event);
    });
    this.#settle(batch.length);
  }

  #dropped(batch: readonly QueuedEvent[], error: DroppedError): void {
    this.#tally.dropped += batch.length;
    this.#report(error);
    this.#settle(batch.length);
  }

  #settle(count: number): void {
    this.#queue.settle(count);
    const { answered } = this.#queue;
    const due = this.#awaiting.filter(({ through }) => through <= answered);
    this.#awaiting = this.#awaiting.filter(({ through }) => through > answered);
    for (const { done } of due) done();
  }

  #answeredThrough(through: number, deadlineMs: number): Promise<void> {
    if (this.#queue.answered >= through) return Promise.resolve();
    return new Promise((resolve) => {
      const waiter = {
        through,
        done: () => {
          cancel();
          resolve();
        },
      };
      const cancel = this.#settings.deadlineTimer(deadlineMs, () => {
        this.#awaiting = this.#awaiting.filter((other) => other !== waiter);
        resolve();
      });
      this.#awaiting.push(waiter);
    });
  }

  #refused(verdict: EventVerdict, event: UsageEvent): void {
    const { onVerdict } = this.options;
    if (onVerdict !== undefined) return this.#observe(() => onVerdict(verdict, event));
    const why = [verdict.reason, verdict.message].filter((part) => part !== undefined).join(': ');
    this.#sayAloud(`Usage event ${event.id} of meter ${event.type} got the verdict ${verdict.verdict}. ${why}`);
  }

  #report(error: MeteringError): void {
    const { onError } = this.options;
    if (onError !== undefined) return this.#observe(() => onError(error));
    this.#sayAloud(error.message);
  }

  /** Lost usage is lost money: where nobody listens, it still does not go in silence. */
  #sayAloud(message: string): void {
    // eslint-disable-next-line no-console -- There is no other place for it.
    console.error(`@farebox/metering: ${message}`);
  }

  /** A listener that fails must not stop delivery, neither at once nor by a promise. */
  #observe(listener: () => unknown): void {
    const failed = (): void => void (this.#tally.observerFailures += 1);
    try {
      Promise.resolve(listener()).catch(failed);
    } catch {
      failed();
    }
  }
}
