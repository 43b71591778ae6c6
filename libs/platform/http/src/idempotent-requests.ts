import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { at, type Database, type Tx } from '@platform/database';
import type { Clock, Instant } from '@core/time';

/** An answer as it is kept and given again. */
export interface KeptAnswer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
}

export interface IdempotentRequest {
  readonly provider: string;
  /** The caller's `Idempotency-Key`. */
  readonly key: string;
  /** Everything that makes two requests the same: method, path and body. */
  readonly content: string;
  readonly kind: 'repeatable' | 'once';
}

type Beginning = { readonly outcome: 'begun' } | { readonly outcome: 'answered'; readonly answer: KeptAnswer };

const KEPT_MS = 24 * 3_600_000;
/** After so long a request that has not ended is taken to have died with its process: longer than any request may last. */
const UNDER_WAY_MS = 90_000;
const FORM = /^[\x21-\x7e]{1,255}$/;

/**
 * Runs a request once per Idempotency-Key. The first one runs and its answer is kept for 24 hours; the same request again gets
 * that answer; another request under the same key is refused. A request that was refused leaves no trace, so it may be mended
 * and sent again under its key.
 */
export class IdempotentRequests {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault conflict (key used for something else, still under way, or outcome unknown), and whatever `work` throws. */
  async run(
    request: IdempotentRequest,
    work: () => Promise<KeptAnswer>,
    /** The part of an answer that may be kept: secrets are shown once only. */
    keep: (answer: KeptAnswer) => KeptAnswer = (answer) => answer,
  ): Promise<{ readonly answer: KeptAnswer; readonly replayed: boolean }> {
    if (!FORM.test(request.key)) {
      throw new Fault(
        'invalid_request',
        'Idempotency-Key must be 1 to 255 printable ASCII characters without spaces, e.g. a UUID.',
        {
          reason: 'invalid_idempotency_key',
        },
      );
    }
    const beginning = await this.#begin(request);
    if (beginning.outcome === 'answered') return { answer: beginning.answer, replayed: true };
    try {
      const answer = await work();
      await this.#end(request, keep(answer));
      return { answer, replayed: false };
    } catch (error) {
      const refused = error instanceof Fault && error.status < 500;
      if (refused || request.kind === 'repeatable') await this.#forget(request);
      throw error;
    }
  }

  async #begin(request: IdempotentRequest): Promise<Beginning> {
    const { provider, key } = request;
    const now = this.clock.now();
    const hash = Uint8Array.from(createHash('sha256').update(request.content).digest());
    return this.database.forProvider(provider, async (tx) => {
      await tx.idempotencyKey.deleteMany({
        where: { providerId: provider, startedAt: { lt: new Date(now - KEPT_MS) } },
      });
      const { count } = await tx.idempotencyKey.createMany({
        data: [{ providerId: provider, key, requestHash: hash, startedAt: new Date(now) }],
        skipDuplicates: true,
      });
      return count === 1 ? { outcome: 'begun' } : this.#again(tx, request, hash, now);
    });
  }

  async #again(tx: Tx, { provider, key, kind }: IdempotentRequest, hash: Uint8Array, now: Instant): Promise<Beginning> {
    const where = { providerId_key: { providerId: provider, key } };
    const known = await tx.idempotencyKey.findUnique({ where });
    if (!known) throw underWay(key);
    if (Buffer.compare(known.requestHash, hash) !== 0) {
      throw new Fault(
        'conflict',
        `Idempotency-Key "${key}" was used for another request: repeat that one unchanged, or choose a new key.`,
        {
          reason: 'idempotency_key_reused',
          details: { idempotencyKey: key },
        },
      );
    }
    if (known.status !== null && known.body !== null)
      return { outcome: 'answered', answer: { status: known.status, body: known.body } };
    if (now - at(known.startedAt) < UNDER_WAY_MS) throw underWay(key);
    if (kind === 'once') {
      throw new Fault(
        'conflict',
        'It is not known how the first request under this key ended: list what exists, then use a new key if it is missing.',
        {
          reason: 'idempotency_outcome_unknown',
          details: { idempotencyKey: key },
        },
      );
    }
    // Two repeats may both get here; only the one that moves the start goes on.
    const { count } = await tx.idempotencyKey.updateMany({
      where: { providerId: provider, key, startedAt: known.startedAt, status: null },
      data: { startedAt: new Date(now) },
    });
    if (count !== 1) throw underWay(key);
    return { outcome: 'begun' };
  }

  async #end({ provider, key }: IdempotentRequest, answer: KeptAnswer): Promise<void> {
    await this.database.forProvider(provider, (tx) =>
      tx.idempotencyKey.update({ where: { providerId_key: { providerId: provider, key } }, data: { ...answer } }),
    );
  }

  async #forget({ provider, key }: IdempotentRequest): Promise<void> {
    await this.database.forProvider(provider, (tx) =>
      tx.idempotencyKey.deleteMany({ where: { providerId: provider, key, status: null } }),
    );
  }
}

const underWay = (key: string): Fault =>
  new Fault(
    'conflict',
    'The first request under this Idempotency-Key is still under way: try again after Retry-After.',
    {
      reason: 'idempotency_in_flight',
      details: { idempotencyKey: key },
      retryable: true,
      retryAfterSeconds: 1,
    },
  );
