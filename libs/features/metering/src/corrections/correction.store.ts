import type { LoggedEvent, Receipt } from '@core/metering';
import { type Instant, formatInstant, instant } from '@core/time';
import type { WriterTx } from '@platform/database';
import type { ChangeEntry, Version } from './change-entry.js';
import { formatReceipt } from '../log/event-view.js';
import { type Querying, queryRows } from '../log/query-rows.js';

/** Rolls the usage log up: `RollUpUsage`. */
export interface CatchesUp {
  run(input: { readonly through?: 'now' }): Promise<unknown>;
}

export type CorrectionAction = 'void' | 'amend' | 'restore';

/** A later version of an event. Without one it does not count. */
export interface Revision {
  readonly revision: number;
  readonly action: CorrectionAction;
  readonly version?: Version;
  readonly reason?: string;
  readonly backfill?: string;
  readonly at: Instant;
}

export interface NewRevision {
  readonly receipt: Receipt;
  readonly revision: number;
  readonly action: CorrectionAction;
  readonly version?: Version | undefined;
  readonly reason?: string | undefined;
  readonly backfill?: string | undefined;
}

/** An event that is, or was, kept aside. */
export interface HeldRow {
  readonly receipt: Receipt;
  readonly reason: string;
  readonly state: 'held' | 'replayed' | 'discarded';
  readonly event: LoggedEvent;
  readonly heldAt: Instant;
  readonly resolvedAt?: Instant;
}

interface RevisionRow {
  position: string;
  ordinal: number;
  revision: number;
  action: CorrectionAction;
  event: (LoggedEvent & { account: number }) | null;
  reason: string | null;
  backfill_id: string | null;
  made: string;
}

interface HeldColumns {
  position: string;
  ordinal: number;
  reason: string;
  state: HeldRow['state'];
  event: LoggedEvent;
  since: string;
  resolved: string | null;
}

const REVISION = `c.position::text AS position, c.ordinal, c.revision, c.action, c.event, c.reason, c.backfill_id, (extract(epoch FROM c.made_at) * 1000)::bigint::text AS made`;
const HELD = `h.position::text AS position, h.ordinal, h.reason, h.state, h.event, (extract(epoch FROM h.held_at) * 1000)::bigint::text AS since,
  (extract(epoch FROM h.resolved_at) * 1000)::bigint::text AS resolved`;
const RECEIPTS = 'jsonb_to_recordset($2::jsonb) AS r (position bigint, ordinal integer)';
/**
 * Each receipt is looked up in the primary key by itself, and not by its provider: right after many corrections the planner does
 * not know yet how many there are, and would go through all of them for each.
 */
const ofReceipt = (table: 'usage_corrections' | 'usage_held'): string =>
  `SELECT * FROM ${table} t WHERE t.position = r.position AND t.ordinal = r.ordinal AND t.provider_id || '' = $1 OFFSET 0`;
/** Rows written by one statement. */
const TOGETHER = 10_000;

const receiptsJson = (receipts: readonly Receipt[]): string =>
  JSON.stringify(receipts.map(({ position, ordinal }) => ({ position: String(position), ordinal })));

export const inChunks = <Item>(items: readonly Item[], size = TOGETHER): Item[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

function revisionOf(row: RevisionRow): Revision & { readonly receipt: Receipt } {
  const { account, ...event } = row.event ?? { account: 0 };
  return {
    receipt: { position: BigInt(row.position), ordinal: row.ordinal },
    revision: row.revision,
    action: row.action,
    ...('source' in event ? { version: { event, account } } : {}),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.backfill_id === null ? {} : { backfill: row.backfill_id }),
    at: instant(Number(row.made)),
  };
}

const heldOf = (row: HeldColumns): HeldRow => ({
  receipt: { position: BigInt(row.position), ordinal: row.ordinal },
  reason: row.reason,
  state: row.state,
  event: row.event,
  heldAt: instant(Number(row.since)),
  ...(row.resolved === null ? {} : { resolvedAt: instant(Number(row.resolved)) }),
});

/** Versions of events, events held, and the log entries that correct. */
export class CorrectionStore {
  /** Corrections of one event wait for each other; a backfill waits for, and keeps out, every correction of its provider. */
  async lock(tx: WriterTx, provider: string, what: Receipt | 'all'): Promise<void> {
    const all = `farebox.corrections ${provider}`;
    if (what === 'all') {
      await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [all]);
      return;
    }
    await tx.query('SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))', [all]);
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`${all} ${formatReceipt(what)}`]);
  }

  /** Corrections of single events may go on side by side, but not beside a backfill. */
  async lockOutBackfills(tx: WriterTx, provider: string): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))', [`farebox.corrections ${provider}`]);
  }

  /** All revisions of these events, by receipt, in order. */
  async revisions(on: Querying, provider: string, receipts: readonly Receipt[]): Promise<Map<string, Revision[]>> {
    const found = new Map<string, Revision[]>();
    for (const chunk of inChunks(receipts)) {
      const rows = await queryRows<RevisionRow>(
        on,
        `SELECT ${REVISION} FROM ${RECEIPTS} CROSS JOIN LATERAL (${ofReceipt('usage_corrections')}) c ORDER BY c.position, c.ordinal, c.revision`,
        [provider, receiptsJson(chunk)],
      );
      for (const { receipt, ...revision } of rows.map(revisionOf)) {
        const key = formatReceipt(receipt);
        const known = found.get(key);
        if (known) known.push(revision);
        else found.set(key, [revision]);
      }
    }
    return found;
  }

  /** The current versions, of any event that was corrected, with this type and a time of use in [from, to). */
  async correctedInto(
    on: Querying,
    provider: string,
    { type, from, to }: { readonly type: string; readonly from: Instant; readonly to: Instant },
  ): Promise<(Revision & { readonly receipt: Receipt })[]> {
    const rows = await queryRows<RevisionRow>(
      on,
      `SELECT ${REVISION} FROM (
        SELECT DISTINCT ON (position, ordinal) * FROM usage_corrections WHERE provider_id = $1 ORDER BY position, ordinal, revision DESC
      ) c WHERE c.event->>'type' = $2 AND (c.event->>'time')::bigint >= $3::bigint AND (c.event->>'time')::bigint < $4::bigint`,
      [provider, type, String(from), String(to)],
    );
    return rows.map(revisionOf);
  }

  /** The events a backfill made a version of. */
  async revisedBy(on: Querying, provider: string, backfill: string): Promise<Receipt[]> {
    const rows = await queryRows<{ position: string; ordinal: number }>(
      on,
      'SELECT DISTINCT position::text AS position, ordinal FROM usage_corrections WHERE provider_id = $1 AND backfill_id = $2',
      [provider, backfill],
    );
    return rows.map(({ position, ordinal }) => ({ position: BigInt(position), ordinal }));
  }

  async held(on: Querying, provider: string, receipts: readonly Receipt[]): Promise<Map<string, HeldRow>> {
    const found = new Map<string, HeldRow>();
    for (const chunk of inChunks(receipts)) {
      const rows = await queryRows<HeldColumns>(
        on,
        `SELECT ${HELD} FROM ${RECEIPTS} CROSS JOIN LATERAL (${ofReceipt('usage_held')}) h`,
        [provider, receiptsJson(chunk)],
      );
      for (const row of rows) found.set(formatReceipt(heldOf(row).receipt), heldOf(row));
    }
    return found;
  }

  /** Held events that match, in order of receipt. `lock` keeps them from changing until the end of the transaction. */
  async selectHeld(
    on: Querying,
    provider: string,
    select: {
      readonly state?: HeldRow['state'] | undefined;
      readonly reason?: string | undefined;
      readonly type?: string | undefined;
      readonly subject?: string | undefined;
      readonly receipts?: readonly Receipt[] | undefined;
      readonly after?: Receipt | undefined;
      readonly limit: number;
      readonly lock?: boolean;
    },
  ): Promise<HeldRow[]> {
    const { receipts, after } = select;
    const rows = await queryRows<HeldColumns>(
      on,
      `SELECT ${HELD} FROM usage_held h
      WHERE h.provider_id = $1 AND ($2::text IS NULL OR h.state = $2) AND ($3::text IS NULL OR h.reason = $3)
        AND ($4::text IS NULL OR h.event->>'type' = $4) AND ($5::text IS NULL OR h.event->>'subject' = $5)
        AND ($6::jsonb IS NULL OR (h.position, h.ordinal) IN (
          SELECT r.position, r.ordinal FROM jsonb_to_recordset($6::jsonb) AS r (position bigint, ordinal integer)))
        AND (h.position, h.ordinal) > ($7::bigint, $8::integer)
      ORDER BY h.position, h.ordinal LIMIT $9::integer ${select.lock ? 'FOR UPDATE' : ''}`,
      [
        provider,
        select.state ?? null,
        select.reason ?? null,
        select.type ?? null,
        select.subject ?? null,
        receipts ? receiptsJson(receipts) : null,
        String(after?.position ?? 0n),
        String(after?.ordinal ?? -1),
        String(select.limit),
      ],
    );
    return rows.map(heldOf);
  }

  /** Keeps a held event from being replayed or discarded until the end of the transaction; nothing for one that is not held. */
  async lockHeld(tx: WriterTx, provider: string, { position, ordinal }: Receipt): Promise<void> {
    await tx.query(
      'SELECT 1 AS held FROM usage_held WHERE provider_id = $1 AND position = $2::bigint AND ordinal = $3 FOR UPDATE',
      [provider, String(position), ordinal],
    );
  }

  /** @param by position of the entry that replays them */
  async resolveHeld(
    tx: WriterTx,
    provider: string,
    receipts: readonly Receipt[],
    state: 'replayed' | 'discarded',
    by?: bigint,
  ): Promise<void> {
    await tx.query(
      `UPDATE usage_held h SET state = $3, resolved_at = now(), replayed_by = $4::bigint
      FROM ${RECEIPTS} WHERE h.provider_id = $1 AND h.position = r.position AND h.ordinal = r.ordinal AND h.state = 'held'`,
      [provider, receiptsJson(receipts), state, by === undefined ? null : String(by)],
    );
  }

  /** The position of the next entry. From here to the commit the roll-up waits, so little is done after it. */
  async nextPosition(tx: WriterTx): Promise<bigint> {
    const [row] = await tx.query<{ position: string }>('SELECT next_usage_position()::text AS position');
    return BigInt(row?.position ?? 0);
  }

  async append(tx: WriterTx, provider: string, position: bigint, entry: ChangeEntry): Promise<void> {
    await tx.query(
      `INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
      VALUES ($1, $2, 'change', $3, $4, $5, $6, $7)`,
      [
        String(position),
        provider,
        new Date(entry.since),
        new Date(entry.until),
        entry.events,
        JSON.stringify(entry.body),
        entry.accounts,
      ],
    );
  }

  async revise(
    tx: WriterTx,
    provider: string,
    entry: bigint,
    revisions: readonly NewRevision[],
    now: Instant,
  ): Promise<void> {
    for (const chunk of inChunks(revisions)) {
      const rows = chunk.map(({ receipt, version, ...rest }) => ({
        ...rest,
        position: String(receipt.position),
        ordinal: receipt.ordinal,
        event: version ? { ...version.event, account: version.account } : null,
      }));
      await tx.query(
        `INSERT INTO usage_corrections (position, ordinal, revision, provider_id, action, event, reason, backfill_id, entry, made_at)
        SELECT r.position, r.ordinal, r.revision, $1, r.action, nullif(r.event, 'null'), r.reason, r.backfill, $3, $4
        FROM jsonb_to_recordset($2::jsonb) AS r (position bigint, ordinal integer, revision integer, action text, event jsonb,
          reason text, backfill text)`,
        [provider, JSON.stringify(rows), String(entry), formatInstant(now)],
      );
    }
  }
}
