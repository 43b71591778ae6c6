import type { Answer, Batch } from './batch.js';
import type { EventVerdict, UsageEvent } from './contract.js';
import { emptyTally, type Tally } from './counters.js';
import type { DroppedError, MeteringError } from './errors.js';
import type { BatchReport, RetryReport } from './hooks.js';
import type { MeteringOptions } from './options.js';
import { isRetryable } from './retry.js';
import type { SenderReports } from './sender.js';

/** Counts what happens and tells those who listen. Where nobody listens, what matters is still said aloud. */
export class Reporter implements SenderReports {
  readonly tally: Tally = emptyTally();

  constructor(
    private readonly listeners: Pick<MeteringOptions, 'onError' | 'onVerdict' | 'onBatch' | 'onRetry'>,
    private readonly sequenceReused: () => void,
  ) {}

  readonly sent = (count: number): void => void (this.tally.sent += count);

  readonly retried = (): void => void (this.tally.retries += 1);

  readonly answered = (batch: Batch, answer: Answer, report: BatchReport): void => {
    const { untaken, ...counts } = answer;
    this.tally.batches += 1;
    for (const name of ['acknowledged', 'duplicate', 'conflict', 'held', 'rejected'] as const)
      this.tally[name] += counts[name];
    const { onBatch } = this.listeners;
    if (onBatch !== undefined) this.#tell(() => onBatch(report));
    for (const { index, verdict } of untaken) {
      const event = batch.event(index);
      if (event !== undefined) this.#untaken(verdict, event);
    }
  };

  readonly dropped = (batch: Batch, error: DroppedError): void => {
    this.tally.batches += 1;
    this.tally.dropped += batch.count;
    if (error.reason === 'sequence_reused') this.sequenceReused();
    this.error(error);
  };

  readonly retrying = (report: RetryReport): void => {
    const { onRetry } = this.listeners;
    if (onRetry !== undefined) return this.#tell(() => onRetry(report));
    const { status = 0, failures, door } = report;
    if (failures > 1 || status < 300 || isRetryable(status)) return;
    this.#sayAloud(`The ${door} door answered ${status}; usage waits in the spool until that is mended.`);
  };

  /** So many events on disk cannot be read any more. */
  readonly lost = (error: MeteringError, events: number): void => {
    this.tally.dropped += events;
    this.error(error);
  };

  readonly error = (error: MeteringError): void => {
    const { onError } = this.listeners;
    if (onError !== undefined) return this.#tell(() => onError(error));
    this.#sayAloud(error.message);
  };

  #untaken(verdict: EventVerdict, event: UsageEvent): void {
    const { onVerdict } = this.listeners;
    if (onVerdict !== undefined) return this.#tell(() => onVerdict(verdict, event));
    const why = [verdict.reason, verdict.message].filter((part) => part !== undefined).join(': ');
    this.#sayAloud(`Usage event ${event.id} of meter ${event.type} got the verdict ${verdict.verdict}. ${why}`);
  }

  /** Lost usage is lost money: it does not go in silence. */
  #sayAloud(message: string): void {
    // eslint-disable-next-line no-console -- There is no other place for it.
    console.error(`@farebox/metering: ${message}`);
  }

  /** A listener that fails must not stop delivery, neither at once nor by a promise. */
  #tell(listener: () => unknown): void {
    const failed = (): void => void (this.tally.observerFailures += 1);
    try {
      Promise.resolve(listener()).catch(failed);
    } catch {
      failed();
    }
  }
}
