import { type Decimal, ZERO } from '@core/money';
import { type Instant, type Period, formatInstant } from '@core/time';
import { exact, type Tx } from '@platform/database';
import type { StoredMeter } from '../meters/meter.reader.js';
import { queryRows } from '../log/query-rows.js';

/** What cells say of one of the spans asked for, in one series. */
interface CellSums {
  readonly count: bigint;
  readonly sum: Decimal;
  readonly cost: Decimal;
  readonly sold: Decimal;
}

/** The same with where it belongs: the index of the spans, and the series ('' when series are not told apart). */
interface SeriesCells extends CellSums {
  readonly of: number;
  readonly series: string;
}

/** What the multiset of values says of one of the spans. */
interface SeriesValues {
  readonly of: number;
  readonly series: string;
  readonly distinct: bigint;
  readonly max: Decimal | undefined;
  readonly min: Decimal | undefined;
}

export const NO_CELLS: CellSums = { count: 0n, sum: ZERO, cost: ZERO, sold: ZERO };

/** Whose usage of which meter. */
export interface Whose {
  /** `acct_…` */
  readonly account: string;
  readonly meter: StoredMeter;
}

/** Spans that are counted as one. */
export type Spans = readonly Period[];

export const QUARTER_MS = 15 * 60_000;
const DAY_MS = 86_400_000;

const floorTo = (at: number, step: number): number => Math.floor(at / step) * step;

/** Whether a cell begins at an instant, if there is one. */
export const isCellBound = (meter: StoredMeter, at: Instant): boolean =>
  at % QUARTER_MS === 0 || meter.cuts.includes(at);

interface Scan {
  readonly of: number;
  readonly grain: 15 | 1440;
  readonly start: number;
  readonly end: number;
}

/**
 * The cells that make up a span: days where they lie wholly in it, quarters of an hour before and after. Days begin at midnight
 * (UTC) and at cuts, so a span that begins or ends at a cut finds its day cut there.
 */
function scansOf(period: Period, meter: StoredMeter, of = 0): Scan[] {
  const { start, end } = period;
  const midnightAfter = floorTo(start + DAY_MS - 1, DAY_MS);
  const midnightBefore = floorTo(end, DAY_MS);
  let first = midnightAfter;
  let last = midnightBefore;
  for (const cut of meter.cuts) {
    if (cut >= start && cut < first) first = cut;
    if (cut <= end && cut > last) last = cut;
  }
  const scans: Scan[] =
    first < last
      ? [
          { of, grain: 15, start, end: first },
          { of, grain: 1440, start: first, end: last },
          { of, grain: 15, start: last, end },
        ]
      : [{ of, grain: 15, start, end }];
  return scans.filter((scan) => scan.start < scan.end);
}

const iso = (ms: number): string => new Date(ms).toISOString();

const scanList = (scans: readonly Scan[]): string[][] => [
  scans.map(({ of }) => String(of)),
  scans.map(({ grain }) => String(grain)),
  scans.map(({ start }) => iso(start)),
  scans.map(({ end }) => iso(end)),
];

/** The sums of cells over each of the spans, per series if asked for. One statement. */
export async function cellSums(
  tx: Tx,
  { account, meter }: Whose,
  spans: readonly Spans[],
  bySeries: boolean,
): Promise<SeriesCells[]> {
  const scans = spans.flatMap((periods, of) => periods.flatMap((period) => scansOf(period, meter, of)));
  if (scans.length === 0) return [];
  const rows = await queryRows<{ of: number; series: string; count: string; sum: string; cost: string; sold: string }>(
    tx,
    `SELECT r.of, c.series, sum(c.count)::text AS count, trim_scale(sum(c.sum))::text AS sum, trim_scale(sum(c.cost))::text AS cost,
      trim_scale(sum(c.sold))::text AS sold
    FROM accounts a CROSS JOIN unnest($3::text[]::int[], $4::text[]::smallint[], $5::text[]::timestamptz[], $6::text[]::timestamptz[]) AS r (of, grain, start, stop)
      CROSS JOIN LATERAL (
        SELECT ${bySeries ? 'c.series' : "'' AS series"}, sum(c.count) AS count, sum(c.sum) AS sum, sum(c.cost) AS cost, sum(c.sold) AS sold
        FROM usage_cells c
        WHERE c.account = a.number AND c.meter = $2::int AND c.grain = r.grain AND c.start >= r.start AND c.start < r.stop
        ${bySeries ? 'GROUP BY c.series' : 'HAVING count(*) > 0'}
      ) c
    WHERE a.id = $1 GROUP BY r.of, c.series`,
    [account, String(meter.number), ...scanList(scans)],
  );
  return rows.map(({ of, series, count, sum, cost, sold }) => ({
    of,
    series,
    count: BigInt(count),
    sum: exact(sum),
    cost: exact(cost),
    sold: exact(sold),
  }));
}

/** Distinct values, the greatest and the least of each of the spans, per series if asked for. One statement. */
export async function valueSums(
  tx: Tx,
  { account, meter }: Whose,
  spans: readonly Spans[],
  bySeries: boolean,
): Promise<SeriesValues[]> {
  const rows = await queryRows<{
    of: number;
    series: string;
    distinct: string;
    max: string | null;
    min: string | null;
  }>(
    tx,
    `SELECT r.of, ${bySeries ? 'v.series' : "'' AS series"}, count(DISTINCT v.value)::text AS distinct,
      trim_scale(max(v.number))::text AS max, trim_scale(min(v.number))::text AS min
    FROM ${VALUES_IN} GROUP BY 1, 2`,
    valuesIn({ account, meter }, spans),
  );
  return rows.map(({ of, series, distinct, max, min }) => ({
    of,
    series,
    distinct: BigInt(distinct),
    max: max === null ? undefined : exact(max),
    min: min === null ? undefined : exact(min),
  }));
}

/** Every value of a span with the series it occurred in. */
export async function valuePairs(
  tx: Tx,
  whose: Whose,
  spans: readonly Spans[],
): Promise<{ of: number; series: string; value: string }[]> {
  return queryRows(tx, `SELECT DISTINCT r.of, v.series, v.value FROM ${VALUES_IN}`, valuesIn(whose, spans));
}

/** How many events of a span had which value. */
export async function countedValues(tx: Tx, whose: Whose, span: Period): Promise<{ value: Decimal; count: bigint }[]> {
  const rows = await queryRows<{ value: string; count: string }>(
    tx,
    `SELECT trim_scale(v.number)::text AS value, sum(v.count)::text AS count FROM ${VALUES_IN} AND v.number IS NOT NULL
    GROUP BY v.number ORDER BY v.number`,
    valuesIn(whose, [[span]]),
  );
  return rows.map(({ value, count }) => ({ value: exact(value), count: BigInt(count) }));
}

const VALUES_IN = `accounts a CROSS JOIN unnest($3::text[]::int[], $4::text[]::timestamptz[], $5::text[]::timestamptz[]) AS r (of, start, stop)
  JOIN usage_values v ON v.account = a.number AND v.meter = $2::int AND v.start >= r.start AND v.start < r.stop WHERE a.id = $1`;

function valuesIn({ account, meter }: Whose, spans: readonly Spans[]): unknown[] {
  const all = spans.flatMap((periods, of) => periods.map((period) => ({ of, ...period })));
  return [
    account,
    String(meter.number),
    all.map(({ of }) => String(of)),
    all.map(({ start }) => formatInstant(start)),
    all.map(({ end }) => formatInstant(end)),
  ];
}
