import type { EventVerdict } from './contract.js';
import { DroppedError, type DropReason } from './errors.js';
import type { Settings } from './options.js';
import type { QueuedEvent } from './queue.js';
import { delayBeforeRetry, isRetryable, pauseOf } from './retry.js';
import { readVerdicts } from './verdicts.js';

type Batch = readonly QueuedEvent[];

/** What one request came to. */
type Attempt =
  | { readonly kind: 'answered'; readonly verdicts: readonly EventVerdict[] }
  | { readonly kind: 'refused'; readonly status: number; readonly detail: string }
  | { readonly kind: 'failed'; readonly pauseMs: number; readonly status?: number; readonly cause?: unknown };

/** Hears what becomes of a batch. Each event of it is reported exactly once. */
export interface SenderReports {
  sent(count: number): void;
  retried(): void;
  answered(batch: Batch, verdicts: readonly EventVerdict[]): void;
  dropped(batch: Batch, error: DroppedError): void;
}

/** Sends one batch at a time and stays with it until there is a verdict for every event, or no hope. */
export class Sender {
  readonly #abandoned = new AbortController();

  constructor(
    private readonly settings: Settings,
    private readonly reports: SenderReports,
  ) {}

  /** Ends the attempt or pause under way; what was in it, and what comes after, is dropped as `closed`. */
  abandon(): void {
    this.#abandoned.abort();
  }

  /** Never rejects. */
  async send(batch: Batch): Promise<void> {
    if (!this.#abandoned.signal.aborted) this.reports.sent(batch.length);
    await this.#deliver(batch);
  }

  async #deliver(batch: Batch): Promise<void> {
    const body = `[${batch.map(({ json }) => json).join(',')}]`;
    let last: Attempt | undefined;
    for (let attempt = 1; attempt <= this.settings.attempts; attempt++) {
      if (attempt > 1) {
        await this.#pause(attempt - 1, last?.kind === 'failed' ? last.pauseMs : 0);
        if (!this.#abandoned.signal.aborted) this.reports.retried();
      }
      if (this.#abandoned.signal.aborted) return this.#drop(batch, 'closed', last);
      last = await this.#attempt(body, batch);
      if (last.kind === 'answered') return this.reports.answered(batch, last.verdicts);
      if (last.kind === 'refused') return this.#refused(batch, last);
    }
    this.#drop(batch, this.#abandoned.signal.aborted ? 'closed' : 'exhausted', last);
  }

  async #refused(batch: Batch, attempt: Extract<Attempt, { kind: 'refused' }>): Promise<void> {
    if (attempt.status !== 413) return this.#drop(batch, 'refused', attempt);
    if (batch.length === 1) return this.#drop(batch, 'too_large', attempt);
    const half = Math.ceil(batch.length / 2);
    await this.#deliver(batch.slice(0, half));
    await this.#deliver(batch.slice(half));
  }

  async #attempt(body: string, batch: Batch): Promise<Attempt> {
    const attempt = new AbortController();
    const abort = (): void => attempt.abort();
    const cancelTimeout = this.settings.timer(this.settings.timeoutMs, abort);
    this.#abandoned.signal.addEventListener('abort', abort);
    try {
      const response = await this.settings.fetch(this.settings.endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/cloudevents-batch+json',
          accept: 'application/json',
          authorization: `Bearer ${this.settings.key}`,
        },
        body,
        redirect: 'manual', // A key does not follow a redirect to wherever it points.
        signal: attempt.signal,
      });
      const text = await response.text();
      return this.#judge(response, text, batch);
    } catch (cause) {
      return { kind: 'failed', pauseMs: 0, cause };
    } finally {
      cancelTimeout();
      this.#abandoned.signal.removeEventListener('abort', abort);
    }
  }

  #judge(response: Response, text: string, batch: Batch): Attempt {
    const { status } = response;
    if (isRetryable(status))
      return { kind: 'failed', status, pauseMs: pauseOf(response.headers.get('retry-after'), this.settings.now()) };
    if (!response.ok) return { kind: 'refused', status, detail: text.slice(0, 500) };
    const verdicts = readVerdicts(text, batch);
    if (verdicts === undefined)
      return { kind: 'failed', status, pauseMs: 0, cause: new Error('The answer holds no verdicts for this batch.') };
    return { kind: 'answered', verdicts };
  }

  #pause(failures: number, pauseMs: number): Promise<void> {
    const { signal } = this.#abandoned;
    return new Promise((resume) => {
      if (signal.aborted) return resume();
      const cancel = this.settings.timer(delayBeforeRetry(failures, pauseMs, this.settings), () => {
        signal.removeEventListener('abort', abandon);
        resume();
      });
      const abandon = (): void => {
        cancel();
        resume();
      };
      signal.addEventListener('abort', abandon, { once: true });
    });
  }

  #drop(batch: Batch, reason: DropReason, last: Attempt | undefined): void {
    const status = last === undefined || last.kind === 'answered' ? undefined : last.status;
    const cause = last?.kind === 'failed' ? last.cause : undefined;
    const said = status === undefined ? '' : ` The last answer was ${status}.`;
    const detail = last?.kind === 'refused' && last.detail !== '' ? ` It said: ${last.detail}` : '';
    const message = `${batch.length} usage event(s) were dropped: ${reason}.${said}${detail}`;
    const events = batch.map(({ event }) => event);
    this.reports.dropped(batch, new DroppedError(message, reason, events, status, cause ? { cause } : undefined));
  }
}
