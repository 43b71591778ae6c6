import { hash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { Fault } from '@core/faults';
import { type ItemVerdict, type UsageBatch, eventAt, judgeBatch, readBatch } from '@core/metering';
import type { Instant } from '@core/time';
import type { Writer } from '@platform/database';
import { BoundedCommit, type CommitLimits } from './bounded-commit.js';
import { TargetLookup } from './event-targets.js';
import { spanOf } from './batch-to-keep.js';
import { type KeptBatch, type NumberedBatch, StreamLogStore } from './stream-log.store.js';

/** The answer of the stream door. */
export interface BatchAnswer {
  readonly stream: string;
  readonly seq: number;
  /** duplicate: it was stored before, and the rest is as it was answered then. */
  readonly outcome: 'stored' | 'duplicate';
  readonly accepted: number;
  readonly held: number;
  readonly rejected: number;
  /** The events that were not accepted. */
  readonly items: readonly ItemVerdict[];
  /** Every batch of the stream up to this one is stored. */
  readonly completeThrough: number;
}

interface IngestBatchInput {
  readonly provider: string;
  /** The bytes as they were sent. */
  readonly body: string | Buffer;
  /** Time of receipt. */
  readonly now: Instant;
}

/** Most bytes of one batch. */
export const MOST_BATCH_BYTES = 1024 * 1024;

const LIMITS: CommitLimits = {
  mostCalls: 512,
  mostBytes: 64 * 1024 * 1024,
  togetherCalls: 64,
  togetherBytes: 2 * 1024 * 1024,
  // A commit costs as much as the batches of some ten calls, so what waits goes together.
  lanes: 1,
};

/**
 * The stream door: keeps immutable numbered batches, each exactly once by (provider, stream, number). The bytes go into the log as
 * they came, and the answer is given after the commit. Calls that arrive at once share a commit.
 */
export class IngestBatch {
  readonly #targets: TargetLookup;
  readonly #commit: BoundedCommit<NumberedBatch, KeptBatch>;

  constructor(writer: Writer, limits: Partial<CommitLimits> = {}) {
    this.#targets = new TargetLookup(writer);
    const store = new StreamLogStore(writer);
    this.#commit = new BoundedCommit((batches) => store.keep(batches), { ...LIMITS, ...limits });
  }

  /**
   * @throws Fault invalid_request (`unreadable_batch`), payload_too_large, conflict (`sequence_reused`) when the number is taken by
   * a batch with another body, too_many_requests when too much is under way
   */
  async run({ provider, body, now }: IngestBatchInput): Promise<BatchAnswer> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    if (bytes.length > MOST_BATCH_BYTES) {
      throw new Fault(
        'payload_too_large',
        `A batch has at most ${MOST_BATCH_BYTES} bytes; this one has ${bytes.length}. It cannot be split under its number: send fewer events per batch.`,
      );
    }
    return this.#commit.admit(bytes.length, () => this.#keep(provider, bytes, now));
  }

  async #keep(provider: string, body: Buffer, now: Instant): Promise<BatchAnswer> {
    const { batch, stream, seq, source } = parse(body);
    const known = await this.#targets.known(provider, batch, now);
    const items = judgeBatch(batch, known, now);
    const rejected = new Set(items.filter(({ verdict }) => verdict === 'rejected').map(({ index }) => index));
    const events = batch.columns.type.length;
    const kept = await this.#commit.add(
      {
        ...{ provider, body, stream, seq, source, events, items },
        ...spanOf(batch, rejected, now),
        hash: hash('sha256', body, 'hex'),
        accounts: known.accounts,
        skip: items.map(({ index }) => index),
        held: items
          .filter(({ verdict }) => verdict === 'held')
          .map(({ index, reason }) => ({ ordinal: index, reason, event: eventAt(batch, index) })),
      },
      body.length,
    );
    if (kept.outcome === 'reused') {
      throw new Fault(
        'conflict',
        `Batch ${seq} of the stream ${stream} is stored with another body. A batch is sent again as it was; give other events a new number, or start a new stream.`,
        { reason: 'sequence_reused', retryable: false, details: { stream, seq } },
      );
    }
    const answered = kept.first ?? { events, items };
    const count = (verdict: ItemVerdict['verdict']) => answered.items.filter((item) => item.verdict === verdict).length;
    const [held, refused] = [count('held'), count('rejected')];
    return {
      ...{ stream, seq, outcome: kept.outcome },
      accepted: answered.events - held - refused,
      held,
      rejected: refused,
      items: answered.items,
      completeThrough: kept.completeThrough,
    };
  }
}

interface ReadBody {
  readonly batch: UsageBatch;
  readonly stream: string;
  readonly seq: number;
  readonly source: string;
}

function parse(bytes: Buffer): ReadBody {
  const unreadable = (problem: string, cause?: unknown) =>
    new Fault('invalid_request', problem, { reason: 'unreadable_batch', ...(cause === undefined ? {} : { cause }) });
  if (!isUtf8(bytes)) throw unreadable('The body is not UTF-8: send JSON as it was written, uncompressed.');
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString());
  } catch (error) {
    throw unreadable('The body is not JSON: check that it was not cut off.', error);
  }
  const batch = readBatch(body);
  if ('problem' in batch) throw unreadable(batch.problem);
  const { stream, seq, source } = batch;
  if (stream === undefined || seq === undefined || source === undefined) {
    throw unreadable('A batch has "stream", "seq" and "source".');
  }
  return { batch, stream, seq, source };
}
