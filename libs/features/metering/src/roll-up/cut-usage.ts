import { type Instant, type Period, formatInstant, instant } from '@core/time';
import type { Tx } from '@platform/database';
import { QUARTER_MS } from '../reading/cell-usage.js';
import { onlyMeter } from './catalogue.js';
import { type DerivedRows, DerivedStore } from './derived.store.js';
import { LogReader } from '../log/log.reader.js';
import { MeterReader, type StoredMeter } from '../meters/meter.reader.js';
import { queryRows } from '../log/query-rows.js';
import { ReplayLog } from './replay-log.js';
import { SeriesPlaces } from './series-places.js';

interface Cut {
  readonly provider: string;
  /** The number of the meter. */
  readonly meter: number;
  readonly at: Instant;
}

const DAY_MS = 86_400_000;

/**
 * Cuts a meter's cells where another price begins. The quarter of an hour that holds the instant is counted anew from the log,
 * and its day is summed from quarters; for an instant to come there is nothing stored and so nothing to do.
 */
export class CutUsage {
  readonly #meters = new MeterReader();
  readonly #log = new LogReader();
  readonly #replay = new ReplayLog();
  readonly #derived = new DerivedStore();

  /** Instants on the quarter of an hour (UTC) need no cut. Repeating it does nothing. The roll-up waits until `tx` ends. */
  async at(tx: Tx, { provider, meter, at }: Cut): Promise<void> {
    if (at % QUARTER_MS === 0) return;
    await queryRows(tx, "SELECT pg_advisory_xact_lock(hashtext('farebox.roll_up'))::text");
    const before = (await this.#meters.numbered(tx, [meter])).get(meter);
    if (!before || before.cuts.includes(at)) return;
    await queryRows(
      tx,
      'WITH cut AS (INSERT INTO usage_cuts (meter, at, provider_id) VALUES ($1::int, $2::timestamptz, $3)) SELECT 1 AS done',
      [String(meter), formatInstant(at), provider],
    );
    const after = { ...before, cuts: [...before.cuts, at].sort((a, b) => a - b) };
    const quarter = cellAround(before, at, QUARTER_MS);
    if (await this.#recount(tx, provider, after, quarter))
      await this.#sumDay(tx, after, at, cellAround(before, at, DAY_MS));
  }

  /** Counts a quarter of an hour anew; answers whether there was anything in its day. */
  async #recount(tx: Tx, provider: string, meter: StoredMeter, quarter: Period): Promise<boolean> {
    const day = cellAround(meter, quarter.start, DAY_MS);
    const stored = await queryRows<{ day: boolean; quarter: boolean }>(
      tx,
      `SELECT EXISTS (SELECT FROM usage_cells WHERE meter = $1::int AND grain = 1440 AND start = $2::timestamptz) AS day,
        EXISTS (SELECT FROM usage_cells WHERE meter = $1::int AND grain = 15 AND start = $3::timestamptz)
          OR EXISTS (SELECT FROM usage_values WHERE meter = $1::int AND start = $3::timestamptz) AS quarter`,
      [String(meter.number), formatInstant(day.start), formatInstant(quarter.start)],
    );
    if (!stored[0]?.day) return false;
    if (!stored[0].quarter) return true;
    for (const table of ['usage_cells', 'usage_values']) {
      await queryRows(
        tx,
        `WITH gone AS (DELETE FROM ${table} WHERE meter = $1::int AND start = $2::timestamptz ${table === 'usage_cells' ? 'AND grain = 15' : ''}) SELECT 1 AS done`,
        [String(meter.number), formatInstant(quarter.start)],
      );
    }
    const places = new SeriesPlaces();
    const hear = onlyMeter(meter);
    const through = await this.#log.cursor(tx);
    for await (const { rows, page } of this.#replay.pages(tx, { provider, through, use: quarter, hear })) {
      const counted: DerivedRows = {
        cells: rows.cells.filter(({ grain }) => grain === 15),
        values: rows.values,
        points: [],
      };
      await this.#derived.apply(tx, provider, await places.settle(tx, provider, counted, page, hear));
    }
    return true;
  }

  /** Sums the two parts of a day from their quarters. */
  async #sumDay(tx: Tx, meter: StoredMeter, at: Instant, day: Period): Promise<void> {
    const values = [meter.number, formatInstant(at), formatInstant(day.start), formatInstant(day.end)].map(String);
    await queryRows(
      tx,
      `WITH gone AS (DELETE FROM usage_cells WHERE meter = $1::int AND grain = 1440 AND start = $2::timestamptz) SELECT 1 AS done`,
      [String(meter.number), formatInstant(day.start)],
    );
    await queryRows(
      tx,
      `WITH summed AS (
        INSERT INTO usage_cells (provider_id, account, meter, grain, start, series, count, sum, cost, sold)
        SELECT provider_id, account, meter, 1440, CASE WHEN start < $2::timestamptz THEN $3::timestamptz ELSE $2::timestamptz END AS part, series,
          sum(count), sum(sum), sum(cost), sum(sold)
        FROM usage_cells WHERE meter = $1::int AND grain = 15 AND start >= $3::timestamptz AND start < $4::timestamptz
        GROUP BY provider_id, account, meter, part, series
        HAVING sum(count) <> 0 OR sum(sum) <> 0 OR sum(cost) <> 0 OR sum(sold) <> 0
      ) SELECT 1 AS done`,
      values,
    );
  }
}

/** The cell that holds an instant: from the grid or the last cut before it, to the next of either. */
function cellAround({ cuts }: Pick<StoredMeter, 'cuts'>, at: Instant, grid: number): Period {
  const floor = Math.floor(at / grid) * grid;
  const start = cuts.reduce((latest, cut) => (cut <= at && cut > latest ? cut : latest), floor);
  const end = cuts.reduce((next, cut) => (cut > at && cut < next ? cut : next), floor + grid);
  return { start: instant(start), end: instant(end) };
}
