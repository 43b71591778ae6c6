import type { Period, Instant } from '@core/time';
import { type AssetId, type Decimal, assetId, formatDecimal } from '@core/money';
import { formatInstant } from '@core/time';
import { at, big, exact, type Tx, type Writer } from '@platform/database';

/** Whose usage of which meter waits to be rated. */
export interface DueKey {
  readonly provider: string;
  readonly account: string;
  readonly meter: string;
}

/** Where in the list of due rows a pass has come to. */
export interface DuePlace extends DueKey {
  readonly dueAt: string;
}

export interface DueMark {
  readonly since: Instant;
  readonly marks: bigint;
}

/** A charge as it is kept. */
export interface StoredCharge {
  /** `chg_…` */
  readonly id: string;
  readonly price: string;
  readonly window: Period;
  readonly quantity: Decimal;
  readonly asset: AssetId;
  readonly atomic: bigint;
  readonly revision: number;
}

interface DueColumns {
  provider_id: string;
  account_id: string;
  meter_id: string;
}

const keyOf = (row: DueColumns): DueKey => ({
  provider: row.provider_id,
  account: row.account_id,
  meter: row.meter_id,
});

export class RatingStore {
  /** The next due rows of all providers after a place, in order of `due_at`. */
  async dueAfter(writer: Writer, now: Instant, after: DuePlace | undefined, limit: number): Promise<DuePlace[]> {
    const rows = await writer.query<DueColumns & { due_at: string }>(
      `SELECT provider_id, account_id, meter_id, to_char(due_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS due_at FROM rating_due
      WHERE due_at <= $1::timestamptz
        AND ($2::timestamptz IS NULL OR (due_at, provider_id, account_id, meter_id) > ($2::timestamptz, $3, $4, $5))
      ORDER BY rating_due.due_at, provider_id, account_id, meter_id LIMIT $6`,
      [
        formatInstant(now),
        after?.dueAt ?? null,
        after?.provider ?? '',
        after?.account ?? '',
        after?.meter ?? '',
        limit,
      ],
    );
    return rows.map((row) => ({ ...keyOf(row), dueAt: row.due_at }));
  }

  /** Every due row of an account, whenever it is due. */
  async dueOf(tx: Tx, account: string): Promise<DueKey[]> {
    const rows = await tx.ratingDue.findMany({ where: { accountId: account }, orderBy: { meterId: 'asc' } });
    return rows.map((row) => ({ provider: row.providerId, account: row.accountId, meter: row.meterId }));
  }

  /** Lets one worker at a time rate an account's usage of a meter; the next one waits. Ingest is not held up by it. */
  async lockUsage(tx: Tx, { account, meter }: DueKey): Promise<void> {
    await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`rate ${account} ${meter}`}, 0))::text`;
  }

  /** Rating reads a meter's prices under a shared lock; making a price takes it alone, so none is overlooked. */
  async lockPrices(tx: Tx, meter: string, mode: 'shared' | 'alone'): Promise<void> {
    const key = `prices ${meter}`;
    if (mode === 'shared') await tx.$queryRaw`SELECT pg_advisory_xact_lock_shared(hashtextextended(${key}, 0))::text`;
    else await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))::text`;
  }

  async mark(tx: Tx, { provider, account, meter }: DueKey): Promise<DueMark | undefined> {
    const row = await tx.ratingDue.findUnique({
      where: { providerId_accountId_meterId: { providerId: provider, accountId: account, meterId: meter } },
    });
    return row ? { since: at(row.since), marks: row.marks } : undefined;
  }

  /** Done, unless it was marked again meanwhile. */
  async unmark(tx: Tx, { account, meter }: DueKey, marks: bigint): Promise<void> {
    await tx.ratingDue.deleteMany({ where: { accountId: account, meterId: meter, marks } });
  }

  /** Done up to `since`, and due again at `dueAt`; unless it was marked meanwhile, then it stays due now. */
  async postpone(tx: Tx, { account, meter }: DueKey, marks: bigint, since: Instant, dueAt: Instant): Promise<void> {
    await tx.ratingDue.updateMany({
      where: { accountId: account, meterId: meter, marks },
      data: { since: new Date(since), dueAt: new Date(dueAt) },
    });
  }

  /** Marks every account whose usage a price that takes effect at an instant may concern. Levels are carried, so all of theirs. */
  async markAccountsOf(tx: Tx, provider: string, meter: string, effectiveAt: Instant, now: Instant): Promise<number> {
    return tx.$executeRaw`
      INSERT INTO rating_due (provider_id, account_id, meter_id, since, due_at)
      SELECT DISTINCT ${provider}, u.account_id, ${meter}, ${formatInstant(effectiveAt)}::timestamptz, ${formatInstant(now)}::timestamptz
      FROM usage_events u
      WHERE u.meter_id = ${meter} AND u.payment_id IS NULL AND (u.level IS NOT NULL OR u.time >= ${formatInstant(effectiveAt)}::timestamptz)
      ORDER BY 2
      ON CONFLICT (provider_id, account_id, meter_id) DO UPDATE SET since = least(rating_due.since, excluded.since),
        due_at = least(rating_due.due_at, excluded.due_at), marks = rating_due.marks + 1`;
  }

  /** Charges of windows that begin at or after an instant. */
  async chargesFrom(tx: Tx, { account, meter }: DueKey, from: Instant): Promise<StoredCharge[]> {
    const rows = await tx.charge.findMany({
      where: { accountId: account, meterId: meter, windowStart: { gte: new Date(from) } },
    });
    return rows.map((row) => ({
      id: row.id,
      price: row.priceId,
      window: { start: at(row.windowStart), end: at(row.windowEnd) },
      quantity: exact(row.quantity),
      asset: assetId(row.asset),
      atomic: big(row.amount),
      revision: row.revision,
    }));
  }

  /** Sets a charge: the first time a row, later its totals. The revision it changed by is kept with it. */
  async setCharge(
    tx: Tx,
    due: DueKey,
    charge: StoredCharge,
    change: { quantity: Decimal; atomic: bigint },
  ): Promise<void> {
    const quantity = formatDecimal(charge.quantity);
    const amount = charge.atomic.toString();
    const [start, end] = [formatInstant(charge.window.start), formatInstant(charge.window.end)];
    await tx.$executeRaw`
      INSERT INTO charges (id, provider_id, account_id, meter_id, price_id, window_start, window_end, quantity, asset, amount, revision)
      VALUES (${charge.id}, ${due.provider}, ${due.account}, ${due.meter}, ${charge.price}, ${start}::timestamptz, ${end}::timestamptz,
        ${quantity}::numeric, ${charge.asset}, ${amount}::numeric, ${charge.revision})
      ON CONFLICT (account_id, meter_id, price_id, window_start) DO UPDATE SET window_end = excluded.window_end,
        quantity = excluded.quantity, amount = excluded.amount, revision = excluded.revision, rated_at = now()`;
    await tx.$executeRaw`
      INSERT INTO charge_revisions (charge_id, revision, provider_id, account_id, quantity_change, amount_change)
      VALUES (${charge.id}, ${charge.revision}, ${due.provider}, ${due.account}, ${formatDecimal(change.quantity)}::numeric, ${change.atomic.toString()}::numeric)`;
  }
}
