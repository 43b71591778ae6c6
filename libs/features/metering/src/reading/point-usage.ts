import { type Point, type PointKind, lookBackMs } from '@core/metering';
import { type Decimal } from '@core/money';
import { type Instant, type Period, formatInstant, instant } from '@core/time';
import { exact, type Tx } from '@platform/database';
import type { Spans, Whose } from './cell-usage.js';
import { queryRows } from '../log/query-rows.js';

interface PointRow {
  readonly resource: string;
  readonly time: string;
  readonly position: string;
  readonly ordinal: number;
  readonly kind: PointKind;
  readonly number: string | null;
  readonly series: string;
}

const POINT = `p.resource, (extract(epoch FROM p.time) * 1000)::bigint::text AS time, p.position::text AS position, p.ordinal, p.kind,
  trim_scale(p.number)::text AS number, p.series`;

/** The resources an account has points of, found one after another in the index instead of by reading every point. */
const RESOURCES = `WITH RECURSIVE whose AS (SELECT number FROM accounts WHERE id = $1), resources AS (
    (SELECT p.resource FROM usage_points p, whose w WHERE p.account = w.number AND p.meter = $2::int ORDER BY p.resource LIMIT 1)
    UNION ALL
    SELECT (SELECT p.resource FROM usage_points p, whose w WHERE p.account = w.number AND p.meter = $2::int AND p.resource > r.resource
      ORDER BY p.resource LIMIT 1)
    FROM resources r WHERE r.resource IS NOT NULL
  )`;

const OF_RESOURCE = 'p.account = w.number AND p.meter = $2::int AND p.resource = r.resource';

/**
 * The levels of a span: for each resource the level it comes with, as a point at its beginning, then its points. Reads no
 * further back than the last absolute level.
 */
export async function levelPoints(tx: Tx, { account, meter }: Whose, { start, end }: Period): Promise<Point[]> {
  const rows = await queryRows<PointRow>(
    tx,
    `${RESOURCES}, carried AS (
      SELECT r.resource, last.series, coalesce(level.number, 0) + coalesce(changed.number, 0) AS number
      FROM whose w, resources r
        CROSS JOIN LATERAL (SELECT p.series FROM usage_points p WHERE ${OF_RESOURCE} AND p.time < $3::timestamptz
          ORDER BY p.time DESC, p.position DESC, p.ordinal DESC LIMIT 1) last
        LEFT JOIN LATERAL (SELECT p.time, p.number FROM usage_points p WHERE ${OF_RESOURCE} AND p.time < $3::timestamptz AND p.kind = 'level'
          ORDER BY p.time DESC, p.position DESC, p.ordinal DESC LIMIT 1) level ON true
        LEFT JOIN LATERAL (SELECT sum(p.number) AS number FROM usage_points p WHERE ${OF_RESOURCE} AND p.time < $3::timestamptz
          AND p.time >= coalesce(level.time, '-infinity') AND p.kind = 'delta') changed ON true
      WHERE r.resource IS NOT NULL
    )
    SELECT c.resource, (extract(epoch FROM $3::timestamptz) * 1000)::bigint::text AS time, '0' AS position, 0 AS ordinal, 'level' AS kind,
      trim_scale(c.number)::text AS number, c.series FROM carried c
    UNION ALL
    SELECT ${POINT} FROM whose w, resources r CROSS JOIN LATERAL (
      SELECT * FROM usage_points p WHERE ${OF_RESOURCE} AND p.time >= $3::timestamptz AND p.time < $4::timestamptz) p
    WHERE r.resource IS NOT NULL`,
    [account, String(meter.number), formatInstant(start), formatInstant(end)],
  );
  return rows.map(pointOf);
}

/** The starts, stops and so on that decide about a span: for each resource those since its last stop that cannot matter to it. */
export async function runPoints(tx: Tx, { account, meter }: Whose, { start, end }: Period): Promise<Point[]> {
  const longest = Math.max(...meter.versions.map((version) => lookBackMs(version)));
  const rows = await queryRows<PointRow>(
    tx,
    `${RESOURCES} SELECT ${POINT} FROM whose w, resources r
      LEFT JOIN LATERAL (SELECT p.time, p.position, p.ordinal FROM usage_points p WHERE ${OF_RESOURCE} AND p.time < $3::timestamptz
        AND p.kind = 'stop' ORDER BY p.time DESC, p.position DESC, p.ordinal DESC LIMIT 1) stopped ON true
      CROSS JOIN LATERAL (SELECT * FROM usage_points p WHERE ${OF_RESOURCE} AND p.time < $4::timestamptz
        AND (p.time, p.position, p.ordinal) > (coalesce(stopped.time, '-infinity'), coalesce(stopped.position, 0), coalesce(stopped.ordinal, -1))) p
    WHERE r.resource IS NOT NULL`,
    [account, String(meter.number), formatInstant(instant(start - longest)), formatInstant(end)],
  );
  return rows.map(pointOf);
}

/** The last value before the end of each of the periods; with `carried`, also one from before it. */
export async function lastValues(
  tx: Tx,
  { account, meter }: Whose,
  periods: readonly (Period & { readonly carried: boolean })[],
): Promise<(Decimal | undefined)[]> {
  const rows = await queryRows<{ number: string | null }>(
    tx,
    `SELECT trim_scale(p.number)::text AS number
    FROM accounts w CROSS JOIN unnest($3::text[]::timestamptz[], $4::text[]::timestamptz[]) WITH ORDINALITY AS r (start, stop, ord)
      LEFT JOIN LATERAL (SELECT p.number FROM usage_points p WHERE p.account = w.number AND p.meter = $2::int AND p.resource = ''
        AND p.time >= r.start AND p.time < r.stop ORDER BY p.time DESC, p.position DESC, p.ordinal DESC LIMIT 1) p ON true
    WHERE w.id = $1 ORDER BY r.ord`,
    [
      account,
      String(meter.number),
      periods.map(({ start, carried }) => (carried ? '-infinity' : formatInstant(start))),
      periods.map(({ end }) => formatInstant(end)),
    ],
  );
  return periods.map((_, i) => {
    const number = rows[i]?.number ?? null;
    return number === null ? undefined : exact(number);
  });
}

/** The last value of each series before the end of each of the spans; with `carried`, also one from before it. */
export async function lastValuesBySeries(
  tx: Tx,
  { account, meter }: Whose,
  spans: readonly Spans[],
  carried: boolean,
): Promise<{ of: number; point: Point }[]> {
  const all = spans.flatMap((periods, of) => periods.map((period) => ({ of, ...period })));
  const rows = await queryRows<PointRow & { of: number }>(
    tx,
    `SELECT DISTINCT ON (r.of, p.series) r.of, ${POINT}
    FROM accounts w CROSS JOIN unnest($3::text[]::int[], $4::text[]::timestamptz[], $5::text[]::timestamptz[]) AS r (of, start, stop)
      JOIN usage_points p ON p.account = w.number AND p.meter = $2::int AND p.resource = '' AND p.time >= r.start AND p.time < r.stop
    WHERE w.id = $1 ORDER BY r.of, p.series, p.time DESC, p.position DESC, p.ordinal DESC`,
    [
      account,
      String(meter.number),
      all.map(({ of }) => String(of)),
      all.map(({ start }) => (carried ? '-infinity' : formatInstant(start))),
      all.map(({ end }) => formatInstant(end)),
    ],
  );
  return rows.map((row) => ({ of: row.of, point: pointOf(row) }));
}

/** Whether there are points of a time after an instant. */
export async function pointsAfter(tx: Tx, { account, meter }: Whose, after: Instant): Promise<boolean> {
  const rows = await queryRows<{ some: boolean }>(
    tx,
    `${RESOURCES} SELECT EXISTS (SELECT FROM whose w, resources r CROSS JOIN LATERAL (
      SELECT FROM usage_points p WHERE ${OF_RESOURCE} AND p.time > $3::timestamptz LIMIT 1) p WHERE r.resource IS NOT NULL) AS some`,
    [account, String(meter.number), formatInstant(after)],
  );
  return rows[0]?.some ?? false;
}

const pointOf = ({ resource, time, position, ordinal, kind, number, series }: PointRow): Point => ({
  resource,
  time: instant(Number(time)),
  receipt: { position: BigInt(position), ordinal },
  kind,
  series,
  ...(number === null ? {} : { number: exact(number) }),
});
