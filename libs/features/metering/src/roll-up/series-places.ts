import { type CellDelta, type PointDelta, type ValueDelta, seriesOf, versionAt } from '@core/metering';
import { addDecimals } from '@core/money';
import type { Tx, WriterTx } from '@platform/database';
import type { Hearing, OpenEntry } from './catalogue.js';
import type { DerivedRows } from './derived.store.js';
import { queryRows } from '../log/query-rows.js';

/** Most series of an account's day of a meter that have a place of their own. */
export const MOST_SERIES = 10_000;
/** What the values of series beyond that are called. */
export const OTHER = '(other)';

const DAY_MS = 86_400_000;
const MOST_REMEMBERED = 500_000;

/** (account, meter, day in days since 1970) */
interface Day {
  readonly account: number;
  readonly meter: number;
  readonly day: number;
}

const dayKey = ({ account, meter, day }: Day): string => `${account} ${meter} ${day}`;

/**
 * Keeps the number of series bounded: in an account's UTC day of a meter the first {@link MOST_SERIES}, in the order of the log,
 * are kept apart, and what comes after counts under one. Places are recorded and never given up, so that whatever is done
 * again, or taken away, goes where it went the first time.
 */
export class SeriesPlaces {
  /** Places known to be taken, as `account meter day series`. */
  readonly #remembered = new Set<string>();

  constructor(private readonly most = MOST_SERIES) {}

  /** The rows with series that have no place put under the common one. `page` is where the rows come from. */
  async settle(
    tx: Tx | WriterTx,
    provider: string,
    rows: DerivedRows,
    page: readonly OpenEntry[],
    hearing: Hearing,
  ): Promise<DerivedRows> {
    const days = this.#unknown(rows);
    if (days.size === 0) return rows;
    const places = await this.#taken(tx, [...days.values()]);
    const without = new Map<string, Set<string>>();
    const taken: (Day & { series: string })[] = [];
    for (const [key, { series, ...day }] of days) {
      const place = places.get(key);
      const fresh = [...series].filter((each) => !place?.series.has(each));
      const room = this.most - (place?.count ?? 0);
      const first =
        fresh.length <= room ? fresh : inOrder(new Set(fresh), day, page, hearing).slice(0, Math.max(room, 0));
      taken.push(...first.map((each) => ({ ...day, series: each })));
      if (fresh.length > room) {
        const placed = new Set(first);
        without.set(key, new Set(fresh.filter((each) => !placed.has(each))));
      }
    }
    await this.#take(tx, provider, taken);
    return without.size === 0 ? rows : moved(rows, without);
  }

  /** Forgets what it knows, as after a transaction that may not have committed. */
  forget(): void {
    this.#remembered.clear();
  }

  /** Series of the rows that are not known to have a place, by day. */
  #unknown(rows: DerivedRows): Map<string, Day & { series: Set<string> }> {
    const days = new Map<string, Day & { series: Set<string> }>();
    const look = (account: number, meter: number, time: number, series: string) => {
      if (series === '') return;
      const day = Math.floor(time / DAY_MS);
      const key = `${account} ${meter} ${day}`;
      if (this.#remembered.has(`${key} ${series}`)) return;
      const known = days.get(key);
      if (known) known.series.add(series);
      else days.set(key, { account, meter, day, series: new Set([series]) });
    };
    for (const { account, meter, start, series } of rows.cells) look(account, meter, start, series);
    for (const { account, meter, start, series } of rows.values) look(account, meter, start, series);
    for (const { account, meter, time, series } of rows.points) look(account, meter, time, series);
    return days;
  }

  async #taken(
    tx: Tx | WriterTx,
    days: readonly (Day & { series: ReadonlySet<string> })[],
  ): Promise<Map<string, { count: number; series: Set<string> }>> {
    const rows = await queryRows<{ account: number; meter: number; day: number; count: number; series: string[] }>(
      tx,
      `SELECT d.a AS account, d.m AS meter, d.d AS day,
        (SELECT count(*)::int FROM (SELECT FROM usage_series s WHERE s.account = d.a AND s.meter = d.m AND s.day = date '1970-01-01' + d.d LIMIT ${this.most}) counted) AS count,
        (SELECT coalesce(jsonb_agg(s.series), '[]') FROM jsonb_array_elements_text(d.s) w (series)
          JOIN usage_series s ON s.account = d.a AND s.meter = d.m AND s.day = date '1970-01-01' + d.d AND s.series = w.series) AS series
      FROM jsonb_to_recordset($1::jsonb) AS d (a integer, m integer, d integer, s jsonb)`,
      [
        JSON.stringify(
          days.map(({ account, meter, day, series }) => ({ a: account, m: meter, d: day, s: [...series] })),
        ),
      ],
    );
    const taken = rows.map(({ count, series, ...day }): [string, { count: number; series: Set<string> }] => {
      for (const each of series) this.#remember(day, each);
      return [dayKey(day), { count, series: new Set(series) }];
    });
    return new Map(taken);
  }

  async #take(tx: Tx | WriterTx, provider: string, places: readonly (Day & { series: string })[]): Promise<void> {
    if (places.length === 0) return;
    await queryRows(
      tx,
      `WITH taken AS (INSERT INTO usage_series (account, meter, day, series, provider_id)
        SELECT p.a, p.m, date '1970-01-01' + p.d, p.s, $2 FROM jsonb_to_recordset($1::jsonb) AS p (a integer, m integer, d integer, s text)
        ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING)
      SELECT 1 AS done`,
      [
        JSON.stringify(places.map(({ account, meter, day, series }) => ({ a: account, m: meter, d: day, s: series }))),
        provider,
      ],
    );
    for (const { series, ...day } of places) this.#remember(day, series);
  }

  #remember(day: Day, series: string): void {
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
    this.#remembered.add(`${dayKey(day)} ${series}`);
  }
}

/** Series in the order in which a page's events of an account, meter and day first have them. */
function inOrder(
  series: Set<string>,
  { account, meter, day }: Day,
  page: readonly OpenEntry[],
  hearing: Hearing,
): string[] {
  const ordered = new Set<string>();
  for (const open of page) {
    const batches =
      'batch' in open ? [{ batch: open.batch, accounts: open.entry.accounts }] : 'parts' in open ? open.parts : [];
    for (const { batch, accounts } of batches) {
      const { columns, t0, types, dimensions } = batch;
      const heard = types.map((type) =>
        hearing.listening(open.entry.provider, type).find(({ number }) => number === meter),
      );
      columns.type.forEach((type, i) => {
        const at = t0 + (columns.time[i] ?? 0);
        const version = heard[type] && versionAt(heard[type].versions, at);
        if (!version || accounts[columns.account[i] ?? -1] !== account || Math.floor(at / DAY_MS) !== day) return;
        const own = seriesOf(version.groupBy, dimensions?.[columns.dimensions?.[i] ?? -1]);
        if (series.has(own)) ordered.add(own);
      });
    }
  }
  // Usage sold has series too, without any dimension.
  return [...ordered, ...[...series].filter((each) => !ordered.has(each)).sort()];
}

/** Rows with some series put under the common one, and rows that come to have the same key put together. */
function moved(rows: DerivedRows, without: ReadonlyMap<string, ReadonlySet<string>>): DerivedRows {
  const own = (account: number, meter: number, time: number, series: string): string =>
    without.get(`${account} ${meter} ${Math.floor(time / DAY_MS)}`)?.has(series) === true ? common(series) : series;
  const cells = new Map<string, CellDelta>();
  for (const cell of rows.cells) {
    const series = own(cell.account, cell.meter, cell.start, cell.series);
    const key = `${cell.account} ${cell.meter} ${cell.grain} ${cell.start} ${series}`;
    const other = cells.get(key);
    cells.set(key, {
      ...cell,
      series,
      count: cell.count + (other?.count ?? 0),
      sum: other ? addDecimals(cell.sum, other.sum) : cell.sum,
      cost: other ? addDecimals(cell.cost, other.cost) : cell.cost,
      sold: other ? addDecimals(cell.sold, other.sold) : cell.sold,
    });
  }
  const values = new Map<string, ValueDelta>();
  for (const value of rows.values) {
    const series = own(value.account, value.meter, value.start, value.series);
    const key = `${value.account} ${value.meter} ${value.start} ${series}\n${value.value}`;
    values.set(key, { ...value, series, count: value.count + (values.get(key)?.count ?? 0) });
  }
  const points = rows.points.map((point): PointDelta => ({
    ...point,
    series: own(point.account, point.meter, point.time, point.series),
  }));
  return { cells: [...cells.values()], values: [...values.values()], points };
}

function common(series: string): string {
  const values: unknown = JSON.parse(series);
  return JSON.stringify(Array.isArray(values) ? values.map(() => OTHER) : [OTHER]);
}
