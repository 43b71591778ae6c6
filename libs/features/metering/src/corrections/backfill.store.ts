import { Fault } from '@core/faults';
import { type LoggedEvent, eventAt, packEvents } from '@core/metering';
import { type Instant, formatInstant, instant, parseInstant } from '@core/time';
import type { Writer, WriterTx } from '@platform/database';
import type { Backfill, BackfillState, Replaces } from './backfill.js';
import type { Version } from './change-entry.js';
import { readBody } from '../log/log.reader.js';
import { type Querying, queryRows } from '../log/query-rows.js';

/** With the position of the log entry that applied it; absent when it changed nothing. */
export interface StoredBackfill extends Backfill {
  readonly committedBy?: bigint;
}

interface BackfillRow {
  id: string;
  state: BackfillState;
  replaces: { type: string; account?: string; from: string; to: string } | null;
  reason: string | null;
  events: number;
  parts: number;
  created: string;
  committed: string | null;
  reverted: string | null;
  committed_by: string | null;
}

const ms = (column: string, name: string) => `(extract(epoch FROM ${column}) * 1000)::bigint::text AS ${name}`;
const COLUMNS = `b.id, b.state, b.replaces, b.reason, b.events, b.committed_by::text AS committed_by,
  (SELECT count(*)::integer FROM usage_backfill_parts p WHERE p.backfill_id = b.id) AS parts,
  ${ms('b.created_at', 'created')}, ${ms('b.committed_at', 'committed')}, ${ms('b.reverted_at', 'reverted')}`;

const from = (text: string): Instant => parseInstant(text) ?? instant(0);

function backfillOf(row: BackfillRow): StoredBackfill {
  const { replaces } = row;
  return {
    id: row.id,
    state: row.state,
    ...(replaces ? { replaces: { ...replaces, from: from(replaces.from), to: from(replaces.to) } } : {}),
    ...(row.reason === null ? {} : { reason: row.reason }),
    events: row.events,
    parts: row.parts,
    createdAt: instant(Number(row.created)),
    ...(row.committed === null ? {} : { committedAt: instant(Number(row.committed)) }),
    ...(row.reverted === null ? {} : { revertedAt: instant(Number(row.reverted)) }),
    ...(row.committed_by === null ? {} : { committedBy: BigInt(row.committed_by) }),
  };
}

/** Backfills and the events given to them. */
export class BackfillStore {
  async insert(
    writer: Writer,
    {
      id,
      provider,
      replaces,
      reason,
    }: { id: string; provider: string; replaces?: Replaces | undefined; reason?: string | undefined },
  ): Promise<void> {
    const json = replaces && { ...replaces, from: formatInstant(replaces.from), to: formatInstant(replaces.to) };
    await writer.query(
      'INSERT INTO usage_backfills (id, provider_id, replaces, reason) VALUES ($1, $2, $3::jsonb, $4)',
      [id, provider, json ? JSON.stringify(json) : null, reason ?? null],
    );
  }

  /**
   * @param lock keeps it from changing until the end of the transaction
   * @throws Fault not_found (`unknown_backfill`)
   */
  async get(on: Querying, provider: string, id: string, lock = false): Promise<StoredBackfill> {
    const [row] = await queryRows<BackfillRow>(
      on,
      `SELECT ${COLUMNS} FROM usage_backfills b WHERE b.provider_id = $1 AND b.id = $2 ${lock ? 'FOR UPDATE OF b' : ''}`,
      [provider, id],
    );
    if (row) return backfillOf(row);
    throw new Fault('not_found', 'There is no such backfill.', { reason: 'unknown_backfill' });
  }

  /** The last created first. */
  async list(
    on: Querying,
    provider: string,
    {
      state,
      before,
      limit,
    }: { readonly state?: BackfillState | undefined; readonly before?: string | undefined; readonly limit: number },
  ): Promise<Backfill[]> {
    const rows = await queryRows<BackfillRow>(
      on,
      `SELECT ${COLUMNS} FROM usage_backfills b
      WHERE b.provider_id = $1 AND ($2::text IS NULL OR b.state = $2)
        AND ($3::text IS NULL OR (b.created_at, b.id) < (SELECT c.created_at, c.id FROM usage_backfills c WHERE c.id = $3 AND c.provider_id = $1))
      ORDER BY b.created_at DESC, b.id DESC LIMIT $4::integer`,
      [provider, state ?? null, before ?? null, String(limit)],
    );
    return rows.map(backfillOf);
  }

  async states(on: Querying, provider: string, ids: ReadonlySet<string>): Promise<Map<string, BackfillState>> {
    const rows = await queryRows<{ id: string; state: BackfillState }>(
      on,
      'SELECT id, state FROM usage_backfills WHERE provider_id = $1 AND id = ANY ($2::text[])',
      [provider, [...ids]],
    );
    return new Map(rows.map(({ id, state }) => [id, state]));
  }

  async addPart(
    tx: WriterTx,
    provider: string,
    backfill: string,
    events: readonly LoggedEvent[],
    account: (subject: string) => number,
  ): Promise<void> {
    const batch = packEvents(events);
    await tx.query(
      `INSERT INTO usage_backfill_parts (backfill_id, part, provider_id, body, accounts)
      SELECT $1, coalesce(max(part), 0) + 1, $2, $3, $4 FROM usage_backfill_parts WHERE backfill_id = $1`,
      [backfill, provider, JSON.stringify(batch), batch.accounts.map(account)],
    );
    await tx.query('UPDATE usage_backfills SET events = events + $3 WHERE id = $1 AND provider_id = $2', [
      backfill,
      provider,
      events.length,
    ]);
  }

  /** The events given to it, in the order in which they were. */
  async *events(on: Querying, provider: string, { id, parts }: Backfill): AsyncGenerator<Version> {
    for (let part = 1; part <= parts; part += 1) {
      const [row] = await queryRows<{ body: string; accounts: number[] }>(
        on,
        'SELECT body, to_jsonb(accounts) AS accounts FROM usage_backfill_parts WHERE backfill_id = $1 AND provider_id = $2 AND part = $3::integer',
        [id, provider, String(part)],
      );
      if (!row) continue;
      const batch = readBody(row);
      for (let i = 0; i < batch.columns.type.length; i += 1) {
        yield { event: eventAt(batch, i), account: row.accounts[batch.columns.account[i] ?? -1] ?? 0 };
      }
    }
  }

  async committed(tx: WriterTx, provider: string, id: string, by: bigint | undefined, now: Instant): Promise<void> {
    await tx.query(
      "UPDATE usage_backfills SET state = 'committed', committed_at = $3::timestamptz, committed_by = $4::bigint WHERE id = $1 AND provider_id = $2",
      [id, provider, formatInstant(now), by === undefined ? null : String(by)],
    );
  }

  async reverted(tx: WriterTx, provider: string, id: string, by: bigint | undefined, now: Instant): Promise<void> {
    await tx.query(
      "UPDATE usage_backfills SET state = 'reverted', reverted_at = $3::timestamptz, reverted_by = $4::bigint WHERE id = $1 AND provider_id = $2",
      [id, provider, formatInstant(now), by === undefined ? null : String(by)],
    );
  }

  /** Its events are forgotten. */
  async dropped(tx: WriterTx, provider: string, id: string): Promise<void> {
    await tx.query('DELETE FROM usage_backfill_parts WHERE backfill_id = $1 AND provider_id = $2', [id, provider]);
    await tx.query("UPDATE usage_backfills SET state = 'dropped' WHERE id = $1 AND provider_id = $2", [id, provider]);
  }
}
