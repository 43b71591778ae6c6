import { type Answer, type Batch, type Door, eventsOf } from './batch.js';
import { DroppedError, type DropReason } from './errors.js';
import type { BatchReport, RetryReport } from './hooks.js';
import type { Settings } from './options.js';
import { delayBeforeRetry, isAboutContent, isRetryable, pauseOf } from './retry.js';

/** What one request came to. */
type Attempt =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'refused'; readonly status: number; readonly detail: string }
  | Failure;

interface Failure {
  readonly kind: 'failed';
  readonly pauseMs: number;
  readonly status?: number;
  readonly cause?: unknown;
  /** No use in coming back soon. */
  readonly isSlow?: boolean;
}

/** Hears what becomes of a batch. Each event of it is reported exactly once, unless the batch was left. */
export interface SenderReports {
  sent(count: number): void;
  retrying(report: RetryReport): void;
  retried(): void;
  answered(batch: Batch, answer: Answer, report: BatchReport): void;
  dropped(batch: Batch, error: DroppedError): void;
}

type Way = Pick<Door<unknown>, 'name' | 'path'>;

/** Where a batch goes, and who hears of it. */
type Errand = Way & SenderReports;

/** Stays with a batch until it is answered for, or there is no hope. */
export class Sender {
  readonly #abandoned = new AbortController();

  constructor(private readonly settings: Settings) {}

  /**
   * Ends the attempts and pauses under way. What was in them, and what comes after, is dropped as `closed`; with a spool it
   * is left where it is.
   */
  abandon(): void {
    this.#abandoned.abort();
  }

  get isAbandoned(): boolean {
    return this.#abandoned.signal.aborted;
  }

  /** Never rejects. `left`: it was abandoned, and is still in the spool. */
  async send(way: Way, batch: Batch, reports: SenderReports): Promise<'done' | 'left'> {
    if (!this.isAbandoned) reports.sent(batch.count);
    return this.#deliver({ ...reports, name: way.name, path: way.path }, batch);
  }

  /** False when it was abandoned meanwhile. */
  pause(failures: number, pauseMs = 0): Promise<boolean> {
    return this.#wait(delayBeforeRetry(failures, pauseMs, this.settings));
  }

  async #deliver(errand: Errand, batch: Batch): Promise<'done' | 'left'> {
    const begun = this.settings.elapsed();
    let last: Attempt | undefined;
    for (let attempt = 1; attempt <= this.settings.attempts; attempt++) {
      if (attempt > 1 && last?.kind === 'failed') await this.#pauseAfter(last, attempt - 1, errand, batch);
      if (this.isAbandoned) return this.#giveUp(errand, batch, last);
      if (attempt > 1) errand.retried();
      last = await this.#attempt(errand, batch);
      if (last.kind === 'answered') {
        errand.answered(batch, last.answer, this.#reportOf(errand, batch, attempt, begun));
        return 'done';
      }
      if (last.kind === 'refused') return this.#refused(errand, batch, last);
    }
    if (this.isAbandoned) return this.#giveUp(errand, batch, last);
    return this.#drop(errand, batch, 'exhausted', last);
  }

  #reportOf({ name: door }: Way, batch: Batch, attempts: number, begun: number): BatchReport {
    const { numbered, count: events, body } = batch;
    const place = numbered === undefined ? {} : { stream: numbered.stream, seq: numbered.seq };
    return { door, ...place, events, bytes: body.length, attempts, elapsedMs: this.settings.elapsed() - begun };
  }

  async #refused(
    errand: Errand,
    batch: Batch,
    attempt: Extract<Attempt, { kind: 'refused' }>,
  ): Promise<'done' | 'left'> {
    if (attempt.status === 409 && batch.numbered !== undefined)
      return this.#drop(errand, batch, 'sequence_reused', attempt);
    if (attempt.status !== 413) return this.#drop(errand, batch, 'refused', attempt);
    const [first, second] = batch.halves() ?? [];
    if (first === undefined || second === undefined) return this.#drop(errand, batch, 'too_large', attempt);
    if ((await this.#deliver(errand, first)) === 'left') return 'left';
    return this.#deliver(errand, second);
  }

  async #attempt(way: Way, batch: Batch): Promise<Attempt> {
    const attempt = new AbortController();
    const abort = (): void => attempt.abort();
    const cancelTimeout = this.settings.timer(this.settings.timeoutMs, abort);
    this.#abandoned.signal.addEventListener('abort', abort);
    try {
      const response = await this.settings.fetch(this.settings.endpoint + way.path, {
        method: 'POST',
        headers: {
          'content-type': batch.contentType,
          accept: 'application/json',
          authorization: `Bearer ${this.settings.key}`,
        },
        body: batch.body,
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
    const pauseMs = pauseOf(response.headers.get('retry-after'), this.settings.now());
    if (isRetryable(status)) return { kind: 'failed', status, pauseMs };
    if (!response.ok) {
      // Keys are replaced and addresses mended; what is safe on disk can wait for it.
      if (this.settings.isSpooled && !isAboutContent(status)) return { kind: 'failed', status, pauseMs, isSlow: true };
      return { kind: 'refused', status, detail: text.slice(0, 500) };
    }
    const answer = batch.answerIn(text);
    if (answer === undefined)
      return { kind: 'failed', status, pauseMs: 0, cause: new Error('The answer is not one to this batch.') };
    return { kind: 'answered', answer };
  }

  async #pauseAfter(last: Failure, failures: number, errand: Errand, batch: Batch): Promise<void> {
    if (this.isAbandoned) return;
    const { pauseMs, status, cause, isSlow } = last;
    const delayMs = delayBeforeRetry(isSlow ? Infinity : failures, pauseMs, this.settings);
    const said = { ...(status !== undefined && { status }), ...(cause !== undefined && { cause }) };
    errand.retrying({ door: errand.name, events: batch.count, failures, delayMs, ...said });
    await this.#wait(delayMs);
  }

  #wait(delayMs: number): Promise<boolean> {
    const { signal } = this.#abandoned;
    return new Promise((resume) => {
      if (signal.aborted) return resume(false);
      const cancel = this.settings.timer(delayMs, () => {
        signal.removeEventListener('abort', abandon);
        resume(true);
      });
      const abandon = (): void => {
        cancel();
        resume(false);
      };
      signal.addEventListener('abort', abandon, { once: true });
    });
  }

  #giveUp(errand: Errand, batch: Batch, last: Attempt | undefined): 'done' | 'left' {
    return this.settings.isSpooled ? 'left' : this.#drop(errand, batch, 'closed', last);
  }

  #drop(errand: Errand, batch: Batch, reason: DropReason, last: Attempt | undefined): 'done' {
    const status = last === undefined || last.kind === 'answered' ? undefined : last.status;
    const cause = last?.kind === 'failed' ? last.cause : undefined;
    const said = status === undefined ? '' : ` The last answer was ${status}.`;
    const detail = last?.kind === 'refused' && last.detail !== '' ? ` It said: ${last.detail}` : '';
    const message = `${batch.count} usage event(s) were dropped: ${reason}.${said}${detail}`;
    const options = cause ? { cause } : undefined;
    errand.dropped(batch, new DroppedError(message, reason, eventsOf(batch), status, options, batch.numbered));
    return 'done';
  }
}
