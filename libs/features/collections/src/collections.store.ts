import { advanceCollection, COLLECTION_STATES, type CollectionState } from '@core/collections';
import { Fault } from '@core/faults';
import { assetId } from '@core/money';
import { rowsOf, type Tx, type Writer, type WriterTx } from '@platform/database';
import { type Lease, Superseded } from './lease.js';

/** Longer than the calls between two writes take; each write begins it anew. */
const LEASE = "interval '60 s'";

interface LeaseRow {
  id: string;
  provider_id: string;
  account_id: string;
  statement_id: string;
  asset: string;
  state: string;
  attempts: number;
  dunning: number;
  polls: number;
  trouble: number;
  version: number;
  fence: string;
}

const COLUMNS =
  'c.id, c.provider_id, c.account_id, c.statement_id, c.asset, c.state, c.attempts, c.dunning, c.polls, c.trouble, c.version, c.fence::text';

const stateOf = (text: string): CollectionState => {
  const state = COLLECTION_STATES.find((one) => one === text);
  if (!state) throw new Fault('invariant_broken', `a collection is "${text}"`);
  return state;
};

const leaseOf = (row: LeaseRow): Lease => ({
  collection: row.id,
  provider: row.provider_id,
  account: row.account_id,
  statement: row.statement_id,
  asset: assetId(row.asset),
  state: stateOf(row.state),
  attempts: row.attempts,
  dunning: row.dunning,
  polls: row.polls,
  trouble: row.trouble,
  version: row.version,
  fence: row.fence,
});

interface Move {
  readonly to: CollectionState;
  /** Undefined: nothing more by itself. */
  readonly runAfterMs: number | undefined;
  readonly reason?: string | undefined;
  readonly dunning?: number;
  readonly attempts?: number;
}

/** Collections as rows. Whatever is written under a lease names its fence. */
export class CollectionsStore {
  /** Leases the one that is due longest; one that another worker is taking is passed over. */
  async claim(db: Writer): Promise<Lease | undefined> {
    const [row] = await db.query<LeaseRow>(
      `WITH due AS (
         SELECT id FROM collections WHERE next_run_at <= now() AND (lease_until IS NULL OR lease_until <= now())
         ORDER BY next_run_at LIMIT 1 FOR UPDATE SKIP LOCKED
       )
       UPDATE collections c SET fence = fence + 1, lease_until = now() + ${LEASE} FROM due WHERE c.id = due.id RETURNING ${COLUMNS}`,
    );
    return row && leaseOf(row);
  }

  /** Leases this one, due or not. Undefined when another worker has it. */
  async claimOne(on: Writer | Tx, collection: string): Promise<Lease | undefined> {
    const text = `UPDATE collections c SET fence = fence + 1, lease_until = now() + ${LEASE}
       WHERE c.id = $1 AND (lease_until IS NULL OR lease_until <= now()) RETURNING ${COLUMNS}`;
    const [row] =
      'listen' in on ? await on.query<LeaseRow>(text, [collection]) : await rowsOf<LeaseRow>(on, text, [collection]);
    return row && leaseOf(row);
  }

  /** Takes it over from whoever has it: for facts that come from outside and do not wait. */
  async take(tx: Tx, collection: string): Promise<Lease> {
    const [row] = await rowsOf<LeaseRow>(
      tx,
      `UPDATE collections c SET fence = fence + 1, lease_until = NULL WHERE c.id = $1 RETURNING ${COLUMNS}`,
      [collection],
    );
    if (!row) throw new Fault('invariant_broken', `there is no collection ${collection}`);
    return leaseOf(row);
  }

  /**
   * Begins the lease anew, and keeps the row until the transaction ends.
   * @throws Superseded
   */
  async hold(tx: Tx, lease: Lease): Promise<void> {
    const rows = await rowsOf(
      tx,
      `UPDATE collections SET lease_until = now() + ${LEASE} WHERE id = $1 AND fence = $2::bigint RETURNING id`,
      [lease.collection, lease.fence],
    );
    if (rows.length === 0) throw new Superseded();
  }

  /**
   * Moves a leased collection; a move to the state it has changes only its times.
   * @throws Superseded
   */
  async move(tx: Tx, lease: Lease, move: Move): Promise<Lease> {
    const to = move.to === lease.state ? lease.state : advanceCollection(lease.state, move.to);
    const changed = to !== lease.state || move.attempts !== undefined || move.dunning !== undefined;
    const [row] = await rowsOf<LeaseRow>(
      tx,
      `UPDATE collections c SET state = $3, reason = $4, dunning = $5::integer, attempts = $6::integer, polls = 0, trouble = 0,
         next_run_at = now() + make_interval(secs => $7::double precision / 1000), lease_until = now() + ${LEASE},
         version = version + CASE WHEN $8::boolean THEN 1 ELSE 0 END, changed_at = now()
       WHERE id = $1 AND fence = $2::bigint RETURNING ${COLUMNS}`,
      [
        lease.collection,
        lease.fence,
        to,
        move.reason ?? null,
        move.dunning ?? lease.dunning,
        move.attempts ?? lease.attempts,
        move.runAfterMs ?? null,
        changed,
      ],
    );
    if (!row) throw new Superseded();
    return leaseOf(row);
  }

  /** Lets go of a lease that was taken in this transaction. */
  async drop(tx: Tx, collection: string): Promise<void> {
    await rowsOf(tx, 'UPDATE collections SET lease_until = NULL WHERE id = $1', [collection]);
  }

  /** Lets go of the lease; when it is looked at again, if that changes. Nothing when another worker has it. */
  async release(
    db: Writer,
    lease: Lease,
    next?: { readonly runAfterMs: number; readonly polls: number; readonly trouble: number },
  ): Promise<void> {
    await db.query(
      `UPDATE collections SET lease_until = NULL, polls = coalesce($3::integer, polls), trouble = coalesce($4::integer, trouble),
         next_run_at = CASE WHEN $5::double precision IS NULL THEN next_run_at ELSE now() + make_interval(secs => $5::double precision / 1000) END
       WHERE id = $1 AND fence = $2::bigint`,
      [lease.collection, lease.fence, next?.polls ?? null, next?.trouble ?? null, next?.runAfterMs ?? null],
    );
  }

  /** Makes it due now, where it is due at all. Another worker that has it looks once more when it is done. */
  async hurry(on: Writer | Tx | WriterTx, collection: string): Promise<void> {
    const text = 'UPDATE collections SET next_run_at = now() WHERE id = $1 AND next_run_at > now()';
    if ('listen' in on) await on.query(text, [collection]);
    else await rowsOf(on, text, [collection]);
  }

  /** The rails of an account's terms, in order. */
  async rails(tx: Tx, account: string): Promise<readonly string[]> {
    const [row] = await rowsOf<{ rails: string[] }>(tx, 'SELECT rails FROM billing_terms WHERE account_id = $1', [
      account,
    ]);
    return row?.rails ?? [];
  }

  /** The collection whose attempt has this intent, or this id. */
  async ofIntent(db: Writer, intent: string): Promise<string | undefined> {
    const [row] = await db.query<{ id: string }>(
      'SELECT collection_id AS id FROM collection_attempts WHERE payment_intent = $1',
      [intent],
    );
    return row?.id;
  }
}
