import { type AcceptedEvent, type Aggregation, type EventContent, type Meter } from '@core/metering';
import { formatDecimal } from '@core/money';
import { type Instant, formatInstant } from '@core/time';
import { at, exact, type Writer, type WriterTx } from '@platform/database';

/** An accepted event with everything its row needs. */
export interface UsageRow {
  readonly provider: string;
  /** `acct_…` */
  readonly account: string;
  readonly event: AcceptedEvent;
  /** SHA-256 of its canonical content, in hex. */
  readonly hash: string;
}

/** (provider, source, id) as one text: names are printable, so a line feed cannot be part of one. */
export const identityOf = (provider: string, event: { source: string; id: string }): string =>
  `${provider}\n${event.source}\n${event.id}`;

export interface StoredUsage {
  readonly hash: string;
  readonly content: EventContent;
}

interface IdentityColumns {
  provider: string;
  source: string;
  id: string;
}

export class UsageStore {
  /**
   * Inserts the events whose identity is new and marks what they change as due for rating. Rows are taken in order of
   * identity, so that two batches with the same events wait for each other instead of deadlocking; receipt numbers follow
   * the order given. Identities must be unique among the rows.
   * @returns the identities that were inserted
   */
  async insertOnce(tx: WriterTx, rows: readonly UsageRow[], now: Instant): Promise<Set<string>> {
    const items = rows.map(({ provider, account, event, hash }, ord) => ({
      ord,
      provider,
      account,
      source: event.source,
      id: event.id,
      meter: event.meter,
      time: formatInstant(event.time),
      value: event.value ? formatDecimal(event.value) : null,
      level: event.level ? formatDecimal(event.level) : null,
      resource: event.resource ?? null,
      dimensions: event.dimensions ?? null,
      hash,
    }));
    const inserted = await tx.query<IdentityColumns>(
      `WITH item AS MATERIALIZED (
        SELECT i.*, nextval('usage_events_receipt_seq') AS receipt
        FROM (
          SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (ord integer, provider text, account text, source text, id text, meter text,
            time timestamptz, value numeric, level numeric, resource text, dimensions jsonb, hash text)
          ORDER BY ord
        ) i
      ), inserted AS (
        INSERT INTO usage_events (provider_id, source, event_id, meter_id, account_id, time, receipt, value, level, resource, dimensions, content_hash)
        SELECT i.provider, i.source, i.id, i.meter, i.account, i.time, i.receipt, i.value, i.level, i.resource,
          nullif(i.dimensions, 'null'), decode(i.hash, 'hex')
        FROM item i ORDER BY i.provider, i.source, i.id
        ON CONFLICT (provider_id, source, event_id) DO NOTHING
        RETURNING provider_id, source, event_id, account_id, meter_id, time
      ), due AS (
        INSERT INTO rating_due (provider_id, account_id, meter_id, since, due_at)
        SELECT provider_id, account_id, meter_id, min(time), $2::timestamptz FROM inserted GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (provider_id, account_id, meter_id) DO UPDATE SET since = least(rating_due.since, excluded.since),
          due_at = least(rating_due.due_at, excluded.due_at), marks = rating_due.marks + 1
      )
      SELECT provider_id AS provider, source, event_id AS id FROM inserted`,
      [JSON.stringify(items), formatInstant(now)],
    );
    return new Set(inserted.map((row) => identityOf(row.provider, row)));
  }

  /** What is stored under these identities. A statement of its own: it sees what a concurrent batch committed meanwhile. */
  async stored(tx: WriterTx, identities: readonly UsageRow[]): Promise<Map<string, StoredUsage>> {
    const items = identities.map(({ provider, event }) => ({ provider, source: event.source, id: event.id }));
    const rows = await tx.query<
      IdentityColumns & {
        hash: string;
        meter: string;
        account: string;
        time: Date;
        value: string | null;
        level: string | null;
        resource: string | null;
        dimensions: Record<string, string> | null;
      }
    >(
      `SELECT u.provider_id AS provider, u.source, u.event_id AS id, encode(u.content_hash, 'hex') AS hash, u.meter_id AS meter,
        u.account_id AS account, u.time, u.value::text, u.level::text, u.resource, u.dimensions
      FROM jsonb_to_recordset($1::jsonb) AS i (provider text, source text, id text)
        JOIN usage_events u ON u.provider_id = i.provider AND u.source = i.source AND u.event_id = i.id`,
      [JSON.stringify(items)],
    );
    return new Map(
      rows.map((row) => [
        identityOf(row.provider, row),
        {
          hash: row.hash,
          content: {
            meter: row.meter,
            account: row.account,
            time: at(row.time),
            value: row.value === null ? undefined : exact(row.value),
            level: row.level === null ? undefined : exact(row.level),
            resource: row.resource ?? undefined,
            dimensions: row.dimensions ?? undefined,
          },
        },
      ]),
    );
  }

  async metersNamed(writer: Writer, provider: string, names: readonly string[]): Promise<Map<string, Meter>> {
    const rows = await writer.query<{ id: string; name: string; aggregation: Aggregation; unit: string }>(
      'SELECT id, name, aggregation, unit FROM meters WHERE provider_id = $1 AND name = ANY ($2::text[])',
      [provider, names],
    );
    return new Map(rows.map((row) => [row.name, row]));
  }

  /** Accounts by subject. An account's id goes before a name, and a name before a wallet address. */
  async accountsNamed(writer: Writer, provider: string, subjects: readonly string[]): Promise<Map<string, string>> {
    const rows = await writer.query<{ subject: string; account: string }>(
      `SELECT s.subject, coalesce(by_id.id, by_name.id, by_wallet.account_id) AS account
      FROM unnest($2::text[]) AS s (subject)
        LEFT JOIN accounts by_id ON by_id.id = s.subject AND by_id.provider_id = $1
        LEFT JOIN accounts by_name ON by_name.provider_id = $1 AND by_name.name = s.subject
        LEFT JOIN identities by_wallet ON by_wallet.provider_id = $1 AND by_wallet.kind = 'wallet' AND by_wallet.subject = lower(s.subject)
      WHERE coalesce(by_id.id, by_name.id, by_wallet.account_id) IS NOT NULL`,
      [provider, subjects],
    );
    return new Map(rows.map((row) => [row.subject, row.account]));
  }
}
