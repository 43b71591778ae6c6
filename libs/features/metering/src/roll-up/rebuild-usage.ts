import { Fault } from '@core/faults';
import { type Instant, type Period, formatInstant, instant } from '@core/time';
import type { Writer, WriterTx } from '@platform/database';
import { type DerivedTables, DerivedStore } from './derived.store.js';
import { ReplayLog } from './replay-log.js';
import { RollUpStore } from './roll-up.store.js';
import { MOST_SERIES, SeriesPlaces } from './series-places.js';

interface RebuildInput {
  readonly provider: string;
  /** `mtr_…`; absent: every meter of the provider. */
  readonly meter?: string | undefined;
  /** From midnight to midnight (UTC); absent: everything. */
  readonly range?: Period | undefined;
}

/** A derived row that is not what the log says. Columns as text. */
export interface UsageDifference {
  readonly table: 'cells' | 'values' | 'points';
  readonly key: Readonly<Record<string, string>>;
  /** Absent: there is no such row. */
  readonly live?: Readonly<Record<string, string | null>>;
  readonly rebuilt?: Readonly<Record<string, string | null>>;
}

/** What is rebuilt. */
interface Scope {
  readonly provider: string;
  readonly meters: readonly number[];
  readonly use?: Period | undefined;
}

const DAY_MS = 86_400_000;
/** The end of time, as far as usage goes. */
const NEVER = instant(Date.UTC(9000, 0, 1));
const MOST_DIFFERENCES = 100;

/** Columns of the derived tables: the key, then what is compared. */
const TABLES = [
  {
    table: 'cells',
    at: 'start',
    key: ['account', 'meter', 'grain', 'start', 'series'],
    rest: ['count', 'sum', 'cost', 'sold'],
  },
  { table: 'values', at: 'start', key: ['account', 'meter', 'start', 'series', 'value'], rest: ['number', 'count'] },
  {
    table: 'points',
    at: 'time',
    key: ['account', 'meter', 'resource', 'time', 'position', 'ordinal'],
    rest: ['kind', 'number', 'series'],
  },
] as const;

/** Makes derived rows anew from the log, and proves that they are what the log says. The roll-up waits meanwhile. */
export class RebuildUsage {
  readonly #store = new RollUpStore();
  readonly #derived = new DerivedStore();
  readonly #replay = new ReplayLog();

  constructor(
    private readonly writer: Writer,
    private readonly mostSeries = MOST_SERIES,
  ) {}

  /**
   * Deletes derived rows and makes them anew, in one transaction.
   * @throws Fault invalid_request (`unaligned_range`) for a range that is not of whole days; not_found (`unknown_meter`)
   */
  async run(input: RebuildInput): Promise<{ readonly entries: number }> {
    return this.writer.transaction(async (tx) => {
      const cursor = await this.#store.takeTurn(tx);
      return { entries: await this.#within(tx, await scopeOf(tx, input), cursor) };
    });
  }

  /** What a rebuild would change; [] when nothing. At most 100 differences of each table. */
  async compare(input: RebuildInput): Promise<readonly UsageDifference[]> {
    return this.writer.transaction(async (tx) => {
      const cursor = await this.#store.takeTurn(tx);
      const scope = await scopeOf(tx, input);
      for (const { table } of TABLES) {
        await tx.query(
          `CREATE TEMPORARY TABLE rebuilt_${table} (LIKE usage_${table} INCLUDING INDEXES) ON COMMIT DROP`,
        );
      }
      await this.#make(tx, scope, cursor, 'rebuilt');
      const differences: UsageDifference[] = [];
      for (const each of TABLES) differences.push(...(await differencesOf(tx, each, scope)));
      return differences;
    });
  }

  /** Rebuilds what changed definitions made necessary, one meter a transaction. */
  async pending(): Promise<void> {
    for (;;) {
      const [waiting] = await this.writer.query<{ meter: number }>(
        'SELECT meter FROM usage_rebuilds ORDER BY 1 LIMIT 1',
      );
      if (!waiting) return;
      await this.writer.transaction(async (tx) => {
        const cursor = await this.#store.takeTurn(tx);
        const [row] = await tx.query<{ provider: string; since: string }>(
          `DELETE FROM usage_rebuilds WHERE meter = $1
          RETURNING provider_id AS provider, (extract(epoch FROM since) * 1000)::bigint::text AS since`,
          [waiting.meter],
        );
        if (!row) return;
        const start = instant(Math.floor(Number(row.since) / DAY_MS) * DAY_MS);
        await this.#within(tx, { provider: row.provider, meters: [waiting.meter], use: { start, end: NEVER } }, cursor);
      });
    }
  }

  async #within(tx: WriterTx, scope: Scope, cursor: bigint): Promise<number> {
    for (const { table, at } of TABLES) {
      const { text, values } = inScope(scope, at);
      await tx.query(`DELETE FROM usage_${table} WHERE ${text}`, values);
    }
    return this.#make(tx, scope, cursor, 'usage');
  }

  async #make(tx: WriterTx, { provider, meters, use }: Scope, cursor: bigint, tables: DerivedTables): Promise<number> {
    const places = new SeriesPlaces(this.mostSeries);
    const input = { provider, through: cursor, use, meters: new Set(meters) };
    let entries = 0;
    for await (const { rows, page, hearing } of this.#replay.pages(tx, input)) {
      entries += page.length;
      await this.#derived.apply(tx, provider, await places.settle(tx, provider, rows, page, hearing), tables);
    }
    return entries;
  }
}

async function scopeOf(tx: WriterTx, { provider, meter, range }: RebuildInput): Promise<Scope> {
  const unaligned = (at: Instant) => at % DAY_MS !== 0;
  if (range && (unaligned(range.start) || unaligned(range.end) || range.end <= range.start)) {
    throw new Fault('invalid_request', 'Whole days are rebuilt: the range goes from midnight to midnight, in UTC.', {
      reason: 'unaligned_range',
    });
  }
  const rows = await tx.query<{ number: number }>(
    'SELECT number FROM meters WHERE provider_id = $1 AND ($2::text IS NULL OR id = $2) ORDER BY 1',
    [provider, meter ?? null],
  );
  if (meter !== undefined && rows.length === 0) {
    throw new Fault('not_found', `There is no meter "${meter}".`, { reason: 'unknown_meter' });
  }
  return { provider, meters: rows.map(({ number }) => number), use: range };
}

function inScope({ provider, meters, use }: Scope, at: string): { text: string; values: unknown[] } {
  const values: unknown[] = [provider, meters];
  if (!use) return { text: 'provider_id = $1 AND meter = ANY ($2::int[])', values };
  values.push(formatInstant(use.start), formatInstant(use.end));
  return {
    text: `provider_id = $1 AND meter = ANY ($2::int[]) AND ${at} >= $3::timestamptz AND ${at} < $4::timestamptz`,
    values,
  };
}

async function differencesOf(
  tx: WriterTx,
  { table, at, key, rest }: (typeof TABLES)[number],
  scope: Scope,
): Promise<UsageDifference[]> {
  const { text, values } = inScope(scope, at);
  const json = (names: readonly string[], from?: string) =>
    `jsonb_build_object(${names.map((name) => `'${name}', ${from ? `${from}.` : ''}${name}::text`).join(', ')})`;
  const side = (from: string) => `CASE WHEN ${from}.provider_id IS NOT NULL THEN ${json(rest, from)} END`;
  const columns = (from: string) => rest.map((name) => `${from}.${name}`).join(', ');
  const rows = await tx.query<{
    key: Record<string, string>;
    live: Record<string, string | null> | null;
    rebuilt: Record<string, string | null> | null;
  }>(
    `SELECT ${json(key)} AS key, ${side('l')} AS live, ${side('r')} AS rebuilt
    FROM (SELECT * FROM usage_${table} WHERE ${text}) l FULL JOIN rebuilt_${table} r USING (${key.join(', ')})
    WHERE l.provider_id IS NULL OR r.provider_id IS NULL OR (${columns('l')}) IS DISTINCT FROM (${columns('r')})
    ORDER BY ${key.join(', ')} LIMIT ${MOST_DIFFERENCES}`,
    values,
  );
  return rows.map((row) => ({
    table,
    key: row.key,
    ...(row.live ? { live: row.live } : {}),
    ...(row.rebuilt ? { rebuilt: row.rebuilt } : {}),
  }));
}
