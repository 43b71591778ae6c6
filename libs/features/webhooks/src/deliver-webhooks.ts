import { createHash } from 'node:crypto';
import { addMs, type Clock, type Instant } from '@core/time';
import {
  afterAttempt,
  attemptsAtOnce,
  bodyOf,
  type PostAnswer,
  type Spread,
  verdictOn,
  type WebhookPost,
} from '@core/webhooks';
import type { Writer, WriterTx } from '@platform/database';
import type { Logger } from '@platform/telemetry';
import { DeliveriesStore, type LeasedDelivery } from './deliveries.store.js';
import type { WebhookSecrets } from './webhook-secrets.js';

/** Several times as long as a POST may take: a lease that ends while its worker is alive would send the same twice. */
const LEASE_MS = 60_000;

interface DeliverWebhooksParts {
  readonly writer: Writer;
  readonly post: Pick<WebhookPost, 'post'>;
  readonly secrets: WebhookSecrets;
  readonly logger: Pick<Logger, 'warn'>;
  /** Most POSTs of this process under way. */
  readonly atOnce?: number;
  /** The database’s time when absent. */
  readonly clock?: Clock | undefined;
}

/**
 * Posts what is due. Every POST runs by itself and the next is leased when one has ended, so that a receiver that hangs keeps its own
 * places and nobody else's. An attempt is committed before its POST; a worker that ends in between, or before it has noted the answer,
 * leaves a lease that ends, and the event is sent again under its id.
 */
export class DeliverWebhooks {
  readonly #store = new DeliveriesStore();
  readonly #atOnce: number;
  readonly #posting = new Set<Promise<void>>();
  #leasing: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(private readonly parts: DeliverWebhooksParts) {
    this.#atOnce = parts.atOnce ?? 64;
  }

  /** Begins all that is due and there is room for. Resolves when that is begun, not when it has been answered. */
  run(): Promise<void> {
    if (this.#leasing) {
      this.#again = true;
      return this.#leasing;
    }
    this.#leasing = this.#leaseAll().finally(() => {
      this.#leasing = undefined;
    });
    return this.#leasing;
  }

  /** Ends what waited too long. */
  async sweep(): Promise<number> {
    return this.parts.writer.transaction(async (tx) => this.#store.giveUp(tx, await this.#now(tx)));
  }

  /** Resolves when nothing is under way and nothing more is due. */
  async idle(): Promise<void> {
    await this.#leasing;
    while (this.#posting.size > 0) {
      await Promise.all(this.#posting);
      await this.#leasing;
    }
  }

  /** Begins nothing more, and resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.idle();
  }

  async #leaseAll(): Promise<void> {
    do {
      this.#again = false;
      const room = this.#atOnce - this.#posting.size;
      if (this.#stopped || room <= 0) return;
      const leased = await this.#lease(room);
      for (const { delivery, now } of leased) this.#begin(delivery, now);
      // More may be due than there was a look for.
      if (leased.length > 0) this.#again = true;
    } while (this.#again);
  }

  async #lease(room: number): Promise<{ readonly delivery: LeasedDelivery; readonly now: Instant }[]> {
    return this.parts.writer.transaction(async (tx) => {
      const now = await this.#now(tx);
      let left = room;
      const wanted = (await this.#store.lockDue(tx, now, room)).flatMap(({ id, breaker, concurrency, busy }) => {
        const most = Math.min(left, Math.max(0, attemptsAtOnce(breaker, concurrency, now) - busy));
        left -= most;
        return most > 0 ? [{ endpoint: id, most }] : [];
      });
      if (wanted.length === 0) return [];
      const leased = await this.#store.lease(tx, wanted, now, addMs(now, LEASE_MS));
      return leased.map((delivery) => ({ delivery, now }));
    });
  }

  #begin(delivery: LeasedDelivery, now: Instant): void {
    const posting = this.#post(delivery, now)
      .catch((error: unknown) =>
        this.parts.logger.warn({ err: error }, 'how a webhook went could not be noted; it is sent again'),
      )
      .then(() => {
        this.#posting.delete(posting);
        // What is due now has room; a look that fails is repeated by the schedule.
        if (!this.#stopped) void this.run().catch(() => undefined);
      });
    this.#posting.add(posting);
  }

  async #post(leased: LeasedDelivery, now: Instant): Promise<void> {
    const { event, endpoint } = leased;
    const body = bodyOf(event);
    const headers = this.parts.secrets.headers(endpoint, event.id, now, body);
    const answer = await this.parts.post.post(endpoint.url, headers, body);
    await this.#note(leased, answer);
  }

  async #note(leased: LeasedDelivery, answer: PostAnswer): Promise<void> {
    const { endpoint, attempt } = leased;
    const spread = spreadOf(leased);
    await this.parts.writer.transaction(async (tx) => {
      const now = await this.#now(tx);
      const breaker = await this.#store.lockBreaker(tx, endpoint.id);
      const verdict = verdictOn(answer, attempt, now, spread);
      await this.#store.endAttempt(tx, leased, answer, now);
      // Whoever has the lease now decides; how the endpoint does is worth knowing all the same.
      await this.#store.settle(tx, leased, verdict, now);
      await this.#store.keepBreaker(tx, endpoint.id, afterAttempt(breaker, verdict.state === 'delivered', now, spread));
      if (verdict.state === 'exhausted' && verdict.gone) await this.#store.disableGone(tx, endpoint.id);
    });
  }

  async #now(tx: WriterTx): Promise<Instant> {
    return this.parts.clock?.now() ?? this.#store.now(tx);
  }
}

/** The same for the same attempt, and another for every other: what spreads waits without a source of chance. */
const spreadOf = ({ event, endpoint, round, attempt }: LeasedDelivery): Spread =>
  createHash('sha256').update(`${event.id} ${endpoint.id} ${round} ${attempt}`).digest().readUInt32BE(0) % 1_000;
