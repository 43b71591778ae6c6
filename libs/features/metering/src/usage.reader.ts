import type { Meter } from '@core/metering';
import { Fault } from '@core/faults';
import { type Decimal, ZERO, addDecimals } from '@core/money';
import { type Instant, type Period, type WindowSize, formatInstant, overlap, windowsOf } from '@core/time';
import { exact, Prisma, type Tx } from '@platform/database';

export interface UsageQuery {
  /** `acct_…` */
  readonly account: string;
  readonly meter: Pick<Meter, 'id' | 'aggregation'>;
  readonly range: Period;
  /** Now: an open level counts up to here. */
  readonly asOf: Instant;
  /** Leaves out usage that was sold through the gate, which is paid already. */
  readonly unpaidOnly?: boolean;
}

export interface UsageWindow {
  readonly period: Period;
  /** In the unit of the meter's quantities. */
  readonly quantity: Decimal;
}

/** Most windows one query may ask for. */
export const MOST_WINDOWS = 2_000;

const SHORTEST_MS: Record<WindowSize, number> = { hour: 3_600_000, day: 86_400_000, month: 28 * 86_400_000 };

/** Quantities, counted in SQL with exact NUMERIC. The rule for levels is that of `levelIntegral` in core. */
export class UsageReader {
  /** The quantity of a range. */
  async total(tx: Tx, query: UsageQuery): Promise<Decimal> {
    const [window] = await this.#quantities(tx, query, [query.range]);
    return window?.quantity ?? ZERO;
  }

  /**
   * The quantities of the hours, days or months (UTC) of a range, in order, empty ones as 0. The first and last are cut to
   * the range, so the windows add up to the total.
   * @throws Fault invalid_request for more than {@link MOST_WINDOWS} windows
   */
  async windows(tx: Tx, query: UsageQuery & { readonly window: WindowSize }): Promise<UsageWindow[]> {
    const { range, window } = query;
    if ((range.end - range.start) / SHORTEST_MS[window] > MOST_WINDOWS) {
      throw new Fault(
        'invalid_request',
        `That is more than ${MOST_WINDOWS} windows: ask for a shorter range or larger windows.`,
        {
          reason: 'too_many_windows',
        },
      );
    }
    return this.#quantities(
      tx,
      query,
      windowsOf(range, window).flatMap((each) => overlap(each, range) ?? []),
    );
  }

  /** Whether a level meter has a level above zero in force at an instant, or a level still to come. */
  async accrues(tx: Tx, { account, meter, at }: { account: string; meter: string; at: Instant }): Promise<boolean> {
    const instant = formatInstant(at);
    const rows = await tx.$queryRaw<{ accrues: boolean }[]>`
      ${resourcesOf(account, meter)}
      SELECT EXISTS (
        SELECT FROM resources r CROSS JOIN LATERAL (${lastLevel(account, meter, instant, '<=')}) carried
        WHERE r.resource IS NOT NULL AND carried.level > 0
      ) OR EXISTS (
        SELECT FROM usage_events u WHERE u.meter_id = ${meter} AND u.account_id = ${account} AND u.level IS NOT NULL AND u.time > ${instant}::timestamptz
      ) AS accrues`;
    return rows[0]?.accrues ?? false;
  }

  async #quantities(tx: Tx, query: UsageQuery, periods: readonly Period[]): Promise<UsageWindow[]> {
    const events = await this.#eventQuantities(tx, query, periods);
    const levels = query.meter.aggregation === 'level' ? await this.#levelQuantities(tx, query, periods) : [];
    return periods.map((period, i) => ({ period, quantity: addDecimals(events[i] ?? ZERO, levels[i] ?? ZERO) }));
  }

  /** Events by time of use: one each for count, their value for sum, and for paid usage the quantity that was sold. */
  async #eventQuantities(
    tx: Tx,
    { account, meter, unpaidOnly }: UsageQuery,
    periods: readonly Period[],
  ): Promise<Decimal[]> {
    if (unpaidOnly && meter.aggregation === 'level') return [];
    const unpaid = meter.aggregation === 'count' ? Prisma.sql`1` : Prisma.sql`u.value`;
    const only = unpaidOnly ? Prisma.sql`AND u.payment_id IS NULL` : Prisma.empty;
    const rows = await tx.$queryRaw<{ quantity: string }[]>`
      SELECT coalesce(sum(CASE WHEN u.payment_id IS NULL THEN ${unpaid} ELSE u.value END) FILTER (WHERE u.meter_id IS NOT NULL), 0)::text AS quantity
      FROM ${windowList(periods)}
        LEFT JOIN usage_events u ON u.account_id = ${account} AND u.meter_id = ${meter.id} AND u.level IS NULL
          AND u.time >= w.start AND u.time < w.stop ${only}
      GROUP BY w.ord ORDER BY w.ord`;
    return rows.map(({ quantity }) => exact(quantity));
  }

  /** Each resource's level is carried into the whole range once; its segments are then laid over the windows. */
  async #levelQuantities(
    tx: Tx,
    { account, meter, range, asOf }: UsageQuery,
    periods: readonly Period[],
  ): Promise<Decimal[]> {
    const end = asOf < range.end ? asOf : range.end;
    if (end <= range.start) return [];
    const [from, to] = [formatInstant(range.start), formatInstant(end)];
    const rows = await tx.$queryRaw<{ quantity: string }[]>`
      ${resourcesOf(account, meter.id)}, points AS (
        SELECT r.resource, carried.time, carried.receipt, carried.level
        FROM resources r CROSS JOIN LATERAL (${lastLevel(account, meter.id, from, '<')}) carried
        WHERE r.resource IS NOT NULL
        UNION ALL
        SELECT u.resource, u.time, u.receipt, u.level FROM usage_events u
        WHERE u.meter_id = ${meter.id} AND u.account_id = ${account} AND u.level IS NOT NULL
          AND u.time >= ${from}::timestamptz AND u.time < ${to}::timestamptz
      ), segments AS (
        SELECT p.level, p.time AS since, lead(p.time, 1, ${to}::timestamptz) OVER (PARTITION BY p.resource ORDER BY p.time, p.receipt) AS until
        FROM points p
      )
      SELECT coalesce(sum(s.level * extract(epoch FROM least(s.until, w.stop) - greatest(s.since, w.start))), 0)::text AS quantity
      FROM ${windowList(periods)} LEFT JOIN segments s ON s.level > 0 AND s.since < w.stop AND s.until > w.start
      GROUP BY w.ord ORDER BY w.ord`;
    return rows.map(({ quantity }) => exact(quantity));
  }
}

const windowList = (periods: readonly Period[]): Prisma.Sql => Prisma.sql`
  unnest(${periods.map(({ start }) => formatInstant(start))}::text[]::timestamptz[], ${periods.map(({ end }) => formatInstant(end))}::text[]::timestamptz[])
    WITH ORDINALITY AS w (start, stop, ord)`;

/** The resources an account ever had a level of, found one after another in the index instead of by reading every event. */
const resourcesOf = (account: string, meter: string): Prisma.Sql => Prisma.sql`
  WITH RECURSIVE resources AS (
    (SELECT u.resource FROM usage_events u WHERE u.meter_id = ${meter} AND u.account_id = ${account} AND u.level IS NOT NULL ORDER BY u.resource LIMIT 1)
    UNION ALL
    SELECT (SELECT u.resource FROM usage_events u
      WHERE u.meter_id = ${meter} AND u.account_id = ${account} AND u.level IS NOT NULL AND u.resource > r.resource ORDER BY u.resource LIMIT 1)
    FROM resources r WHERE r.resource IS NOT NULL
  )`;

const lastLevel = (account: string, meter: string, before: string, comparison: '<' | '<='): Prisma.Sql => Prisma.sql`
  SELECT u.time, u.receipt, u.level FROM usage_events u
  WHERE u.meter_id = ${meter} AND u.account_id = ${account} AND u.level IS NOT NULL AND u.resource = r.resource
    AND u.time ${comparison === '<' ? Prisma.sql`<` : Prisma.sql`<=`} ${before}::timestamptz
  ORDER BY u.time DESC, u.receipt DESC LIMIT 1`;
