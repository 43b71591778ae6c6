import { type LoggedEvent, RESERVED_SOURCE, type Touched, eventAt } from '@core/metering';
import { Fault } from '@core/faults';
import { type Instant, formatInstant } from '@core/time';
import type { Writer, WriterTx } from '@platform/database';
import { type OpenEntry, openEntry } from './catalogue.js';
import type { LogEntry } from '../log/log.reader.js';

/** How long writers may be held up to learn up to where the log is settled; doubled while they are too busy. */
const SHORTEST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 1_600;

/** An event that is kept and does not count, as the roll-up found. */
export interface FoundHeld {
  readonly position: bigint;
  readonly ordinal: number;
  readonly reason: 'over_hour_ceiling' | 'unreadable';
  readonly event: LoggedEvent;
}

export class RollUpStore {
  #waitMs = SHORTEST_WAIT_MS;

  /**
   * The position up to which everything is committed or never will be; undefined when writers were too busy to say. Whoever
   * takes a position holds the log shared until it commits, so the log is had alone only when nothing is under way. Those who
   * come meanwhile wait behind, hence the time limit.
   */
  async settled(writer: Writer, tries: number): Promise<bigint | undefined> {
    for (let i = 0; i < tries; i += 1) {
      try {
        const position = await writer.transaction(async (tx) => {
          await tx.query(`SET LOCAL lock_timeout = ${this.#waitMs}`);
          await tx.query("SELECT pg_advisory_xact_lock(hashtext('farebox.usage_log'))");
          return this.given(tx);
        });
        this.#waitMs = SHORTEST_WAIT_MS;
        return position;
      } catch (error) {
        if (!(error instanceof Error) || Reflect.get(error, 'code') !== '55P03') throw error;
        this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS);
      }
    }
    return undefined;
  }

  /** The last position that was given out. */
  async given(on: WriterTx | Writer): Promise<bigint> {
    const rows = await on.query<{ position: string }>(
      'SELECT (last_value - CASE WHEN is_called THEN 0 ELSE 1 END)::text AS position FROM usage_log_position',
    );
    return BigInt(rows[0]?.position ?? 0);
  }

  /** Waits until nobody else rolls up, rebuilds or cuts; answers the cursor. */
  async takeTurn(tx: WriterTx): Promise<bigint> {
    await tx.query("SELECT pg_advisory_xact_lock(hashtext('farebox.roll_up'))");
    const rows = await tx.query<{ position: string }>(
      "SELECT position::text FROM usage_cursors WHERE name = 'roll-up' FOR UPDATE",
    );
    if (!rows[0]) throw new Fault('invariant_broken', 'the cursor of the roll-up is gone');
    return BigInt(rows[0].position);
  }

  async moveTo(tx: WriterTx, position: bigint): Promise<void> {
    await tx.query("UPDATE usage_cursors SET position = $1::bigint WHERE name = 'roll-up'", [position.toString()]);
  }

  /** Marks what changed as to be rated, where the meter has a price; what was marked before keeps its earlier instants. */
  async markDue(tx: WriterTx, touched: readonly Touched[], dueAt: Instant): Promise<number> {
    if (touched.length === 0) return 0;
    const rows = await tx.query<{ marked: number }>(
      `WITH marked AS (
        INSERT INTO rating_due (provider_id, account_id, meter_id, since, due_at)
        SELECT m.provider_id, a.id, m.id, timestamptz 'epoch' + t.s * interval '1 millisecond', $2::timestamptz
        FROM jsonb_to_recordset($1::jsonb) AS t (a integer, m integer, s bigint)
          JOIN accounts a ON a.number = t.a JOIN meters m ON m.number = t.m
        WHERE EXISTS (SELECT FROM prices p WHERE p.meter_id = m.id)
        ORDER BY m.provider_id, a.id, m.id
        ON CONFLICT (provider_id, account_id, meter_id) DO UPDATE SET since = least(rating_due.since, excluded.since),
          due_at = least(rating_due.due_at, excluded.due_at), marks = rating_due.marks + 1
        RETURNING 1
      ) SELECT count(*)::int AS marked FROM marked`,
      [
        JSON.stringify(touched.map(({ account, meter, since }) => ({ a: account, m: meter, s: since }))),
        formatInstant(dueAt),
      ],
    );
    return rows[0]?.marked ?? 0;
  }

  /** Records which events of entries do not count, so that a rebuild leaves them out too. */
  async leaveOut(
    tx: WriterTx,
    skips: readonly { readonly entry: LogEntry; readonly ordinals: readonly number[] }[],
  ): Promise<void> {
    if (skips.length === 0) return;
    const rows = skips.map(({ entry, ordinals }) => ({
      position: entry.position.toString(),
      provider: entry.provider,
      ordinals: [...ordinals].sort((a, b) => a - b),
    }));
    await tx.query(
      `INSERT INTO usage_skips (position, provider_id, ordinals)
      SELECT position, provider, ordinals FROM jsonb_to_recordset($1::jsonb) AS s (position bigint, provider text, ordinals integer[])`,
      [JSON.stringify(rows)],
    );
  }

  async hold(tx: WriterTx, held: readonly (FoundHeld & { readonly provider: string })[]): Promise<void> {
    if (held.length === 0) return;
    await tx.query(
      `INSERT INTO usage_held (position, ordinal, provider_id, reason, event)
      SELECT position, ordinal, provider, reason, event
      FROM jsonb_to_recordset($1::jsonb) AS h (position bigint, ordinal integer, provider text, reason text, event jsonb)
      ON CONFLICT DO NOTHING`,
      [JSON.stringify(held.map((each) => ({ ...each, position: each.position.toString() })))],
    );
  }
}

/** The event of an entry that holds a batch. */
export function heldEvent(open: OpenEntry | undefined, ordinal: number): LoggedEvent {
  if (!open || !('batch' in open)) throw new Fault('invariant_broken', 'only events of batches are held');
  return eventAt(open.batch, ordinal);
}

/** An entry that could not be applied, as held events: its own where they can be read, else one that stands for it. */
export function unreadable(entry: LogEntry, error: unknown): (FoundHeld & { provider: string })[] {
  const held = (ordinal: number, event: LoggedEvent) => ({
    position: entry.position,
    ordinal,
    provider: entry.provider,
    reason: 'unreadable' as const,
    event,
  });
  try {
    const open = openEntry(entry);
    if ('batch' in open) {
      const skipped = new Set(entry.skip);
      const ordinals = Array.from({ length: entry.events }, (_, i) => i).filter((i) => !skipped.has(i));
      return ordinals.map((ordinal) => held(ordinal, eventAt(open.batch, ordinal)));
    }
  } catch {
    // Its events cannot be told apart: the entry stands for them.
  }
  const problem = error instanceof Error ? error.message : String(error);
  const stand: LoggedEvent = {
    source: `${RESERVED_SOURCE}log`,
    id: entry.position.toString(),
    type: entry.kind,
    subject: '',
    time: entry.since,
    timeStated: false,
    dimensions: { problem: problem.slice(0, 500) },
  };
  return [held(0, stand)];
}
