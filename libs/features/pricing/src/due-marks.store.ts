import { type Instant, formatInstant } from '@core/time';
import type { Tx } from '@platform/database';

/**
 * Marks what has to be rated again, in the transaction that makes it necessary. Whoever rates removes a mark only if it is
 * the one it read, so what a later transaction changes is never overlooked.
 */
export class DueMarks {
  /** One account's usage of a meter; '' for what it owes without one. */
  async one(
    tx: Tx,
    key: { readonly provider: string; readonly account: string; readonly meter: string },
    since: Instant,
    now: Instant,
  ): Promise<void> {
    await tx.$executeRaw`
      INSERT INTO rating_due (provider_id, account_id, meter_id, since, due_at)
      VALUES (${key.provider}, ${key.account}, ${key.meter}, ${formatInstant(since)}::timestamptz, ${formatInstant(now)}::timestamptz)
      ON CONFLICT (provider_id, account_id, meter_id) DO UPDATE SET since = least(rating_due.since, excluded.since),
        due_at = least(rating_due.due_at, excluded.due_at), marks = rating_due.marks + 1`;
  }

  /** Every account whose usage of a meter a price from an instant on may concern. Levels and intervals are carried, so all of theirs. */
  async ofMeter(
    tx: Tx,
    provider: string,
    meter: { readonly id: string; readonly number: number },
    from: Instant,
    now: Instant,
  ): Promise<number> {
    return tx.$executeRaw`
      INSERT INTO rating_due (provider_id, account_id, meter_id, since, due_at)
      SELECT ${provider}, a.id, ${meter.id}, ${formatInstant(from)}::timestamptz, ${formatInstant(now)}::timestamptz
      FROM (
        SELECT account FROM usage_cells WHERE meter = ${meter.number} AND grain = 1440
          AND start >= date_trunc('day', ${formatInstant(from)}::timestamptz, 'UTC')
        UNION
        SELECT account FROM usage_values WHERE meter = ${meter.number} AND start >= date_trunc('day', ${formatInstant(from)}::timestamptz, 'UTC')
        UNION
        SELECT account FROM usage_points WHERE meter = ${meter.number}
      ) used JOIN accounts a ON a.number = used.account
      ORDER BY a.id
      ON CONFLICT (provider_id, account_id, meter_id) DO UPDATE SET since = least(rating_due.since, excluded.since),
        due_at = least(rating_due.due_at, excluded.due_at), marks = rating_due.marks + 1`;
  }

  /**
   * The accounts that moved at an instant, for each meter they used since its month began that either version prices, for each
   * whose price asks for something without usage (`paying`, price ids), and for what they owe without a meter.
   * @param versions plan versions left and come onto
   */
  async ofMoves(
    tx: Tx,
    provider: string,
    move: {
      readonly from: Instant;
      readonly accounts?: readonly string[];
      readonly versions: readonly string[];
      readonly paying: readonly string[];
    },
    now: Instant,
  ): Promise<number> {
    const from = formatInstant(move.from);
    return tx.$executeRaw`
      INSERT INTO rating_due (provider_id, account_id, meter_id, since, due_at)
      SELECT DISTINCT ${provider}, a.id, due.meter, ${from}::timestamptz, ${formatInstant(now)}::timestamptz
      FROM account_plans moved JOIN accounts a ON a.id = moved.account_id, LATERAL (
        SELECT '' AS meter
        UNION
        SELECT m.id FROM prices p JOIN meters m ON m.id = p.meter_id
        WHERE p.plan_version_id = ANY (${[...move.versions]}::text[]) AND (p.id = ANY (${[...move.paying]}::text[])
          OR EXISTS (SELECT FROM usage_cells u WHERE u.account = a.number AND u.meter = m.number AND u.grain = 1440
            AND u.start >= date_trunc('day', ${from}::timestamptz, 'UTC'))
          OR EXISTS (SELECT FROM usage_values u WHERE u.account = a.number AND u.meter = m.number
            AND u.start >= date_trunc('day', ${from}::timestamptz, 'UTC'))
          OR EXISTS (SELECT FROM usage_points u WHERE u.account = a.number AND u.meter = m.number))
      ) due
      WHERE moved."from" = ${from}::timestamptz AND moved.account_id = ANY (${[...(move.accounts ?? [])]}::text[])
      ORDER BY 2, 3
      ON CONFLICT (provider_id, account_id, meter_id) DO UPDATE SET since = least(rating_due.since, excluded.since),
        due_at = least(rating_due.due_at, excluded.due_at), marks = rating_due.marks + 1`;
  }
}
