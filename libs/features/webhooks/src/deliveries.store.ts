import {
  type Breaker,
  type DeliveryVerdict,
  GIVEN_UP_AFTER_MS,
  MOST_ATTEMPTS,
  type PostAnswer,
  type WebhookEvent,
} from '@core/webhooks';
import { Fault } from '@core/faults';
import type { Instant } from '@core/time';
import { at, type WriterTx } from '@platform/database';
import type { SecretState } from './webhook-secrets.js';

/** An attempt that is under way, and all it needs. */
export interface LeasedDelivery {
  readonly event: WebhookEvent;
  readonly endpoint: SecretState & { readonly url: string };
  readonly round: number;
  /** The how-manyeth this is; the lease is known by it. */
  readonly attempt: number;
}

interface DueEndpoint {
  readonly id: string;
  readonly breaker: Breaker;
  readonly concurrency: number;
  /** Attempts under way. */
  readonly busy: number;
}

const OPEN = "('pending', 'delivering', 'retrying')";

const optionalAt = (column: Date | null): Instant | undefined => (column === null ? undefined : at(column));

/** All SQL of the worker's side. Times are given; a delivery that is under way is due again when its lease ends. */
export class DeliveriesStore {
  /** The time of the database, which all workers share. */
  async now(tx: WriterTx): Promise<Instant> {
    const [row] = await tx.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    if (!row) throw new Fault('invariant_broken', 'the database tells no time');
    return at(row.now);
  }

  /**
   * Locks endpoints that are not paused, have something due and a place free, those that wait longest first. One that another worker
   * looks at is left to it; those without a place would stand before others that have one.
   */
  async lockDue(tx: WriterTx, now: Instant, most: number): Promise<DueEndpoint[]> {
    const rows = await tx.query<{ id: string; failures: number; pausedUntil: Date | null; concurrency: number }>(
      `SELECT e.id, e.failures, e.paused_until AS "pausedUntil", e.concurrency
       FROM webhook_endpoints e
         CROSS JOIN LATERAL (SELECT d.next_at FROM webhook_deliveries d
           WHERE d.endpoint_id = e.id AND d.state IN ${OPEN} AND d.next_at <= $1 ORDER BY d.next_at LIMIT 1) AS first
       WHERE e.state = 'enabled' AND (e.paused_until IS NULL OR e.paused_until <= $1)
         AND (SELECT count(*) FROM webhook_deliveries b
              WHERE b.endpoint_id = e.id AND b.state IN ${OPEN} AND b.state = 'delivering' AND b.next_at > $1)
           < CASE WHEN e.paused_until IS NULL THEN e.concurrency ELSE 1 END
       ORDER BY first.next_at LIMIT $2
       FOR UPDATE OF e SKIP LOCKED`,
      [new Date(now), most],
    );
    if (rows.length === 0) return [];
    // A statement of its own: what others leased before the lock was had is seen by it.
    const busy = await tx.query<{ id: string; busy: number }>(
      `SELECT endpoint_id AS id, count(*)::integer AS busy FROM webhook_deliveries
       WHERE endpoint_id = ANY ($1) AND state IN ${OPEN} AND state = 'delivering' AND next_at > $2 GROUP BY 1`,
      [rows.map(({ id }) => id), new Date(now)],
    );
    return rows.map(({ failures, pausedUntil, ...rest }) => ({
      ...rest,
      breaker: { failures, pausedUntil: optionalAt(pausedUntil) },
      busy: busy.find(({ id }) => id === rest.id)?.busy ?? 0,
    }));
  }

  /** Leases so many due deliveries of each endpoint, and writes their attempts: both before anything is sent. */
  async lease(
    tx: WriterTx,
    wanted: readonly { readonly endpoint: string; readonly most: number }[],
    now: Instant,
    until: Instant,
  ): Promise<LeasedDelivery[]> {
    const rows = await tx.query<{
      eventId: string;
      type: string;
      version: number;
      objectId: string;
      objectVersion: string;
      data: unknown;
      occurredAt: Date;
      endpointId: string;
      url: string;
      generation: number;
      rotatedAt: Date | null;
      round: number;
      attempt: number;
    }>(
      `WITH due AS (
         SELECT d.event_id, d.endpoint_id, d.round
         FROM unnest($1::text[], $2::integer[]) AS w (endpoint, most)
           CROSS JOIN LATERAL (SELECT * FROM webhook_deliveries d
             WHERE d.endpoint_id = w.endpoint AND d.state IN ${OPEN} AND d.next_at <= $3 AND d.attempts < $5
             ORDER BY d.next_at LIMIT w.most FOR UPDATE SKIP LOCKED) AS d
       ), leased AS (
         UPDATE webhook_deliveries d SET state = 'delivering', attempts = d.attempts + 1, next_at = $4
         FROM due WHERE (d.event_id, d.endpoint_id, d.round) = (due.event_id, due.endpoint_id, due.round)
         RETURNING d.*
       ), begun AS (
         INSERT INTO webhook_attempts (event_id, endpoint_id, round, attempt, provider_id, started_at)
         SELECT event_id, endpoint_id, round, attempts, provider_id, $3 FROM leased
       )
       SELECT l.event_id AS "eventId", v.type, v.version, v.object_id AS "objectId", v.object_version::text AS "objectVersion", v.data,
         v.occurred_at AS "occurredAt", e.id AS "endpointId", e.url, e.secret_generation AS generation, e.rotated_at AS "rotatedAt", l.round,
         l.attempts AS attempt
       FROM leased l JOIN webhook_events v ON v.id = l.event_id JOIN webhook_endpoints e ON e.id = l.endpoint_id`,
      [
        wanted.map(({ endpoint }) => endpoint),
        wanted.map(({ most }) => most),
        new Date(now),
        new Date(until),
        MOST_ATTEMPTS,
      ],
    );
    return rows.map((row) => ({
      event: {
        id: row.eventId,
        type: row.type,
        version: row.version,
        object: { id: row.objectId, version: Number(row.objectVersion) },
        data: row.data,
        occurredAt: at(row.occurredAt),
      },
      endpoint: {
        id: row.endpointId,
        url: row.url,
        generation: row.generation,
        rotatedAt: optionalAt(row.rotatedAt),
      },
      round: row.round,
      attempt: row.attempt,
    }));
  }

  /** Locks one endpoint. */
  async lockBreaker(tx: WriterTx, endpoint: string): Promise<Breaker> {
    const [row] = await tx.query<{ failures: number; pausedUntil: Date | null }>(
      'SELECT failures, paused_until AS "pausedUntil" FROM webhook_endpoints WHERE id = $1 FOR UPDATE',
      [endpoint],
    );
    if (!row) throw new Fault('invariant_broken', `endpoint ${endpoint} is gone`);
    return { failures: row.failures, pausedUntil: optionalAt(row.pausedUntil) };
  }

  async endAttempt(tx: WriterTx, leased: LeasedDelivery, answer: PostAnswer, now: Instant): Promise<void> {
    await tx.query(
      `UPDATE webhook_attempts SET ended_at = $5, outcome = $6, status = $7, why = $8
       WHERE (event_id, endpoint_id, round, attempt) = ($1, $2, $3, $4) AND ended_at IS NULL`,
      [
        ...placeOf(leased),
        new Date(now),
        answer.outcome,
        answer.outcome === 'answered' ? answer.status : null,
        answer.outcome === 'answered' ? null : answer.why,
      ],
    );
  }

  /** Answers whether the lease was still ours: of one that was not, nothing changes. */
  async settle(tx: WriterTx, leased: LeasedDelivery, verdict: DeliveryVerdict, now: Instant): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE webhook_deliveries SET state = $5, next_at = $6, ended_at = $7
       WHERE (event_id, endpoint_id, round) = ($1, $2, $3) AND attempts = $4 AND state = 'delivering' RETURNING 1`,
      [
        ...placeOf(leased),
        verdict.state,
        new Date(verdict.state === 'retrying' ? verdict.at : now),
        verdict.state === 'retrying' ? null : new Date(now),
      ],
    );
    return rows.length > 0;
  }

  async keepBreaker(tx: WriterTx, endpoint: string, { failures, pausedUntil }: Breaker): Promise<void> {
    await tx.query('UPDATE webhook_endpoints SET failures = $2, paused_until = $3 WHERE id = $1', [
      endpoint,
      failures,
      pausedUntil === undefined ? null : new Date(pausedUntil),
    ]);
  }

  async disableGone(tx: WriterTx, endpoint: string): Promise<void> {
    await tx.query(
      "UPDATE webhook_endpoints SET state = 'disabled', disabled_because = 'gone' WHERE id = $1 AND state = 'enabled'",
      [endpoint],
    );
  }

  /** Ends what waited too long, and what lost its last attempt to a worker that did not come back. Answers how many. */
  async giveUp(tx: WriterTx, now: Instant): Promise<number> {
    const rows = await tx.query(
      `UPDATE webhook_deliveries SET state = 'exhausted', ended_at = $1
       WHERE state IN ${OPEN} AND NOT (state = 'delivering' AND next_at > $1)
         AND (created_at < $2 OR (next_at <= $1 AND attempts >= $3)) RETURNING 1`,
      [new Date(now), new Date(now - GIVEN_UP_AFTER_MS), MOST_ATTEMPTS],
    );
    return rows.length;
  }
}

const placeOf = ({ event, endpoint, round, attempt }: LeasedDelivery): unknown[] => [
  event.id,
  endpoint.id,
  round,
  attempt,
];
