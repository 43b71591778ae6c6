import { type ItemVerdict, type LoggedEvent, type Receipt, type UsageBatch, eventAt } from '@core/metering';
import type { Period } from '@core/time';
import { type Instant, formatInstant, instant } from '@core/time';
import { changeParts, readSold } from './entry-body.js';
import type { EntryKind } from './event-view.js';
import { type Querying, queryRows } from './query-rows.js';

/** One entry of the usage log. */
export interface LogEntry {
  readonly position: bigint;
  readonly provider: string;
  readonly kind: EntryKind;
  readonly receivedAt: Instant;
  /** Earliest and latest time of use in it. */
  readonly since: Instant;
  readonly until: Instant;
  readonly events: number;
  /** JSON text, in the form of its kind. */
  readonly body: string;
  /** Numbers of the accounts in the body's dictionary; 0 for an unknown one. */
  readonly accounts: readonly number[];
  /** Ordinals that do not count: found when it arrived, and found by the roll-up. */
  readonly skip: readonly number[];
  /** The verdicts on those that were not accepted when it arrived. */
  readonly items: readonly ItemVerdict[];
}

interface LogRange {
  /** Entries after this position … */
  readonly after: bigint;
  /** … up to and including this one. */
  readonly through: bigint;
  readonly provider?: string | undefined;
  /** Only entries that may hold events used in this span. */
  readonly use?: Period | undefined;
  /** Most entries and, beyond the first, most bytes of bodies. */
  readonly entries?: number;
  readonly bytes?: number;
}

/** An event as the log tells it, in the version that was sent. */
export interface StoredEvent {
  readonly entry: LogEntry;
  readonly event: LoggedEvent;
  /** 0 when the account was unknown. */
  readonly account: number;
  readonly skipped: boolean;
}

interface EntryRow {
  readonly position: string;
  readonly provider: string;
  readonly kind: EntryKind;
  readonly received: string;
  readonly since: string;
  readonly until: string;
  readonly events: number;
  readonly body: string;
  readonly accounts: string;
  readonly skip: string | null;
  readonly skips: string | null;
  readonly items: readonly ItemVerdict[] | null;
}

const MOST_ENTRIES = 4_000;
const MOST_BYTES = 8 * 1024 * 1024;

const COLUMNS = `l.position::text, l.provider_id AS provider, l.kind, (extract(epoch FROM l.received_at) * 1000)::bigint::text AS received,
  (extract(epoch FROM l.since) * 1000)::bigint::text AS since, (extract(epoch FROM l.until) * 1000)::bigint::text AS until, l.events,
  l.body, l.accounts::text AS accounts, l.skip::text AS skip, s.ordinals::text AS skips, l.items`;

/** Reads the usage log in the order of its positions. */
export class LogReader {
  /** The next entries of a range: at least one when there is one, else as many as fit. */
  async page(on: Querying, range: LogRange): Promise<LogEntry[]> {
    const { after, through, provider, use, entries = MOST_ENTRIES, bytes = MOST_BYTES } = range;
    const values = [after.toString(), through.toString(), String(entries), String(bytes)];
    const place = (value: string): string => `$${values.push(value)}`;
    const ofProvider = provider === undefined ? '' : `AND provider_id = ${place(provider)}`;
    const used = use
      ? `AND until >= ${place(formatInstant(use.start))}::timestamptz AND since < ${place(formatInstant(use.end))}::timestamptz`
      : '';
    const rows = await queryRows<EntryRow>(
      on,
      `SELECT ${COLUMNS} FROM (
        SELECT *, sum(octet_length(body)) OVER (ORDER BY position) - octet_length(body) AS before
        FROM (
          SELECT * FROM usage_log
          WHERE position > $1::bigint AND position <= $2::bigint ${ofProvider} ${used}
          ORDER BY position LIMIT $3::int
        ) next
      ) l LEFT JOIN usage_skips s ON s.position = l.position
      WHERE l.before < $4::bigint ORDER BY l.position`,
      values,
    );
    return rows.map(entryOf);
  }

  /** Every page of a range, one after the other. */
  async *pages(on: Querying, range: LogRange): AsyncGenerator<LogEntry[]> {
    let { after } = range;
    for (;;) {
      const page = await this.page(on, { ...range, after });
      const last = page.at(-1);
      if (!last) return;
      yield page;
      after = last.position;
    }
  }

  async entry(on: Querying, position: bigint): Promise<LogEntry | undefined> {
    const rows = await queryRows<EntryRow>(
      on,
      `SELECT ${COLUMNS} FROM usage_log l LEFT JOIN usage_skips s ON s.position = l.position WHERE l.position = $1::bigint`,
      [position.toString()],
    );
    return rows[0] && entryOf(rows[0]);
  }

  /** The event behind a receipt, as it was sent; corrections of it are elsewhere. None for usage sold. */
  async event(on: Querying, receipt: Receipt): Promise<StoredEvent | undefined> {
    const entry = await this.entry(on, receipt.position);
    return entry && storedEvent(entry, receipt.ordinal);
  }

  /** How far the log is rolled up. */
  async cursor(on: Querying): Promise<bigint> {
    const rows = await queryRows<{ position: string }>(
      on,
      "SELECT position::text FROM usage_cursors WHERE name = 'roll-up'",
    );
    return BigInt(rows[0]?.position ?? 0);
  }
}

/** The event at an ordinal of an entry. */
export function storedEvent(entry: LogEntry, ordinal: number): StoredEvent | undefined {
  if (entry.kind === 'sold' || ordinal < 0) return undefined;
  const skipped = entry.skip.includes(ordinal);
  const at = (batch: UsageBatch, row: number, accounts: readonly number[]): StoredEvent | undefined => {
    const index = batch.columns.account[row];
    return index === undefined
      ? undefined
      : { entry, event: eventAt(batch, row), account: accounts[index] ?? 0, skipped };
  };
  if (entry.kind !== 'change') return at(readBody(entry), ordinal, entry.accounts);
  for (const part of changeParts(entry)) {
    const row = part.sign === 1 ? ordinal - part.first : -1;
    if (row >= 0 && row < part.batch.columns.type.length) return at(part.batch, row, part.accounts);
  }
  return undefined;
}

/** The batch of a stream or open entry. It was judged before it was stored. */
export function readBody(entry: Pick<LogEntry, 'body'>): UsageBatch {
  return JSON.parse(entry.body) as UsageBatch;
}

export { changeParts, readSold };

function entryOf(row: EntryRow): LogEntry {
  return {
    position: BigInt(row.position),
    provider: row.provider,
    kind: row.kind,
    receivedAt: instant(Number(row.received)),
    since: instant(Number(row.since)),
    until: instant(Number(row.until)),
    events: row.events,
    body: row.body,
    accounts: numbers(row.accounts),
    skip: [...numbers(row.skip), ...numbers(row.skips)],
    items: row.items ?? [],
  };
}

/** An array of integers in PostgreSQL's text form, which is nearly JSON and much faster to read as such. */
function numbers(text: string | null): readonly number[] {
  if (text === null || text === '{}') return [];
  return JSON.parse(`[${text.slice(1, -1)}]`) as number[];
}
