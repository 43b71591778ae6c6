import type { CellDelta, Contributions, PointDelta, ValueDelta } from '@core/metering';
import { formatDecimal } from '@core/money';
import type { Tx, WriterTx } from '@platform/database';
import { queryRows } from '../log/query-rows.js';

/** Changes of derived rows. */
export interface DerivedRows {
  readonly cells: readonly CellDelta[];
  readonly values: readonly ValueDelta[];
  readonly points: readonly PointDelta[];
}

export const rowsOf = (contributions: Contributions): DerivedRows => ({
  cells: contributions.cells(),
  values: contributions.values(),
  points: contributions.points(),
});

/** Which set of derived tables: the live ones, or those made aside to compare with. */
export type DerivedTables = 'usage' | 'rebuilt';

/** The derived rows of usage. */
export class DerivedStore {
  /** Adds changes to a provider's rows. Rows that come to nothing are removed. */
  async apply(
    tx: Tx | WriterTx,
    provider: string,
    changes: Contributions | DerivedRows,
    tables: DerivedTables = 'usage',
  ): Promise<void> {
    const { cells, values, points } = 'touched' in changes ? rowsOf(changes) : changes;
    if (cells.length + values.length + points.length === 0) return;
    await queryRows(tx, 'SELECT apply_usage($1, $2::jsonb, $3::jsonb, $4::jsonb, $5)::text', [
      provider,
      JSON.stringify(cells.map(cellJson)),
      JSON.stringify(values.map(valueJson)),
      JSON.stringify(points.map(pointJson)),
      tables,
    ]);
  }
}

const cellJson = ({ account, meter, grain, start, series, count, sum, cost, sold }: CellDelta) => ({
  a: account,
  m: meter,
  g: grain,
  t: start,
  s: series,
  n: count,
  u: formatDecimal(sum),
  c: formatDecimal(cost),
  d: formatDecimal(sold),
});

const valueJson = ({ account, meter, start, series, value, number, count }: ValueDelta) => ({
  a: account,
  m: meter,
  t: start,
  s: series,
  v: value,
  x: number ? formatDecimal(number) : null,
  n: count,
});

const pointJson = ({ account, meter, resource, time, receipt, kind, number, series, sign }: PointDelta) => ({
  a: account,
  m: meter,
  r: resource,
  t: time,
  p: receipt.position.toString(),
  o: receipt.ordinal,
  k: kind,
  x: number ? formatDecimal(number) : null,
  s: series,
  g: sign,
});
