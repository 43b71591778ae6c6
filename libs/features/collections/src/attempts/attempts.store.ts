import { advanceAttempt, type AttemptState, OPEN_ATTEMPTS } from '@core/collections';
import { Fault } from '@core/faults';
import { rowsOf, type Tx, type Writer, type WriterTx } from '@platform/database';
import type { Lease } from '../lease.js';
import { type Attempt, ATTEMPT_COLUMNS, attemptOf, type AttemptRow } from './attempt.js';

/** What is written down before anything is sent. */
export interface AttemptToMake extends Pick<
  Attempt,
  'id' | 'number' | 'rail' | 'method' | 'customer' | 'cents' | 'currency' | 'covers' | 'create' | 'confirm'
> {
  readonly apiVersion: string;
}

interface Change {
  readonly charge?: string | undefined;
  readonly failure?: string | undefined;
  readonly debitStarted?: boolean;
  readonly applied?: bigint;
}

export interface EvidenceToKeep {
  readonly step: 'prepare' | 'find' | 'confirm' | 'read' | 'cancel';
  readonly answer: string;
  readonly note?: string | undefined;
  readonly object?: unknown;
}

const ENDED: readonly AttemptState[] = ['succeeded', 'failed', 'abandoned', 'reversed'];

/** Attempts as rows. Who writes holds the lease of the collection, which the caller has checked in the same transaction. */
export class AttemptsStore {
  async open(tx: Tx | WriterTx | Writer, collection: string): Promise<Attempt | undefined> {
    const text = `SELECT ${ATTEMPT_COLUMNS} FROM collection_attempts a WHERE a.collection_id = $1 AND a.state = ANY ($2::text[])`;
    const values = [collection, [...OPEN_ATTEMPTS]];
    const [row] = isWriter(tx) ? await tx.query<AttemptRow>(text, values) : await rowsOf<AttemptRow>(tx, text, values);
    return row && attemptOf(row);
  }

  async insert(tx: Tx, lease: Lease, { apiVersion, ...made }: AttemptToMake): Promise<void> {
    await rowsOf(
      tx,
      `INSERT INTO collection_attempts (id, provider_id, account_id, collection_id, statement_id, number, rail, method_id, customer, cents, currency,
         asset, covers, api_version, create_key, create_body, confirm_key, confirm_body)
       VALUES ($1, $2, $3, $4, $5, $6::integer, $7, $8, $9, $10::bigint, $11, $12, $13::numeric, $14, $15, $16, $17, $18)`,
      [
        made.id,
        lease.provider,
        lease.account,
        lease.collection,
        lease.statement,
        made.number,
        made.rail,
        made.method,
        made.customer,
        made.cents.toString(),
        made.currency,
        made.covers.asset,
        made.covers.atomic.toString(),
        apiVersion,
        made.create.key,
        made.create.body,
        made.confirm.key,
        made.confirm.body,
      ],
    );
  }

  /** The id of the intent: from now on it may be confirmed. */
  async storeIntent(tx: Tx, attempt: Attempt, intent: string): Promise<void> {
    await this.#changed(
      tx,
      `UPDATE collection_attempts SET state = 'created', payment_intent = $2, key_spent = false, state_at = now()
       WHERE id = $1 AND state = 'prepared' RETURNING id`,
      [attempt.id, intent],
    );
  }

  /** Before the first confirm is sent. */
  async markConfirmed(tx: Tx, attempt: Attempt): Promise<void> {
    await this.#changed(
      tx,
      "UPDATE collection_attempts SET confirmed_at = coalesce(confirmed_at, now()) WHERE id = $1 AND state = 'created' RETURNING id",
      [attempt.id],
    );
  }

  /** Nothing more is to be had by the key of the step; `failure`: the rail said why. */
  async spendKey(tx: Tx, attempt: Attempt, failure: string | undefined): Promise<void> {
    await this.#changed(
      tx,
      'UPDATE collection_attempts SET key_spent = true, failure = coalesce($3, failure) WHERE id = $1 AND state = $2 RETURNING id',
      [attempt.id, attempt.state, failure ?? null],
    );
  }

  /** Only from the state that was decided on. */
  async advance(tx: Tx, attempt: Pick<Attempt, 'id' | 'state'>, to: AttemptState, change: Change = {}): Promise<void> {
    await this.#changed(
      tx,
      `UPDATE collection_attempts SET state = $3, charge = coalesce($4, charge), failure = coalesce($5, failure),
         debit_started = debit_started OR $6::boolean, state_at = now(), ended_at = CASE WHEN $7::boolean THEN now() END,
         applied = coalesce($8::numeric, applied)
       WHERE id = $1 AND state = $2 RETURNING id`,
      [
        attempt.id,
        attempt.state,
        advanceAttempt(attempt.state, to),
        change.charge ?? null,
        change.failure ?? null,
        change.debitStarted ?? false,
        ENDED.includes(to),
        change.applied?.toString() ?? null,
      ],
    );
  }

  async #changed(tx: Tx, text: string, values: readonly unknown[]): Promise<void> {
    const rows = await rowsOf(tx, text, values);
    if (rows.length === 0)
      throw new Fault('invariant_broken', `attempt ${String(values[0])} changed under a lease that holds`);
  }

  /** What the rail was seen to say. Kept whoever has the lease by now: it was said. */
  async keep(db: Writer, provider: string, attempt: string, evidence: EvidenceToKeep): Promise<void> {
    await db.query(
      'INSERT INTO collection_evidence (provider_id, attempt_id, step, answer, note, object) VALUES ($1, $2, $3, $4, $5, $6::jsonb)',
      [
        provider,
        attempt,
        evidence.step,
        evidence.answer,
        evidence.note ?? null,
        evidence.object === undefined ? null : JSON.stringify(evidence.object),
      ],
    );
  }

  /** Methods that failed for this collection, by the codes they failed with. */
  async failures(
    tx: Tx,
    collection: string,
  ): Promise<{ readonly method: string; readonly code: string; readonly isReversed: boolean }[]> {
    return rowsOf(
      tx,
      `SELECT method_id AS method, failure AS code, state = 'reversed' AS "isReversed" FROM collection_attempts
       WHERE collection_id = $1 AND state IN ('failed', 'abandoned', 'reversed') AND failure IS NOT NULL`,
      [collection],
    );
  }
}

const isWriter = (on: Tx | WriterTx | Writer): on is Writer => 'listen' in on;
