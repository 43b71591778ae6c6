import { type Instant, formatInstant } from '@core/time';
import { at, type Tx, type Writer } from '@platform/database';

/** Whose usage of which meter waits to be rated. */
export interface DueKey {
  readonly provider: string;
  readonly account: string;
  /** '' for what the account owes without a meter. */
  readonly meter: string;
}

/** Where in the list of due rows a pass has come to. */
export interface DuePlace extends DueKey {
  readonly dueAt: string;
}

interface DueMark {
  readonly since: Instant;
  readonly marks: bigint;
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

/** What waits to be rated, and the locks of rating. */
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

  /** Every due row of an account, whenever it is due; what it owes without a meter last, as that follows from the others. */
  async dueOf(tx: Tx, account: string): Promise<DueKey[]> {
    const rows = await tx.ratingDue.findMany({ where: { accountId: account }, orderBy: { meterId: 'desc' } });
    return rows.map((row) => ({ provider: row.providerId, account: row.accountId, meter: row.meterId }));
  }

  /** Due rows that concern service before an instant, whenever they are due, after a place; of some accounts, or all. */
  async waitingBefore(
    tx: Tx,
    before: Instant,
    after: DueKey | undefined,
    limit: number,
    accounts?: readonly string[],
  ): Promise<(DueKey & { problem?: string })[]> {
    const rows = await tx.$queryRaw<(DueColumns & { problem: string | null })[]>`
      SELECT provider_id, account_id, meter_id, problem FROM rating_due
      WHERE since < ${formatInstant(before)}::timestamptz AND (${accounts === undefined}::boolean OR account_id = ANY (${[...(accounts ?? [])]}::text[]))
        AND (account_id, meter_id) > (${after?.account ?? ''}, ${after?.meter ?? ''})
      ORDER BY account_id, meter_id LIMIT ${limit}`;
    return rows.map((row) => ({ ...keyOf(row), ...(row.problem === null ? {} : { problem: row.problem }) }));
  }

  /** Whether something that concerns service before an instant waits. */
  async waitsBefore(tx: Tx, before: Instant): Promise<boolean> {
    return (await tx.ratingDue.findFirst({ where: { since: { lt: new Date(before) } } })) !== null;
  }

  /** Lets one worker at a time rate an account's usage of a meter; the next one waits. The roll-up is not held up by it. */
  async lockUsage(tx: Tx, { account, meter }: DueKey): Promise<void> {
    await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`rate ${account} ${meter}`}, 0))::text`;
  }

  /** Rating holds the provider's periods open while it sets charges; closing one takes them alone. */
  async lockPeriods(tx: Tx, provider: string, mode: 'shared' | 'alone'): Promise<void> {
    const key = `periods ${provider}`;
    if (mode === 'shared') await tx.$queryRaw`SELECT pg_advisory_xact_lock_shared(hashtextextended(${key}, 0))::text`;
    else await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))::text`;
  }

  /** Up to when charges stand for good; undefined when no period was closed. */
  async closedUntil(tx: Tx): Promise<Instant | undefined> {
    const { _max } = await tx.closedPeriod.aggregate({ _max: { periodEnd: true } });
    return _max.periodEnd ? at(_max.periodEnd) : undefined;
  }

  async mark(tx: Tx, { provider, account, meter }: DueKey): Promise<DueMark | undefined> {
    const row = await tx.ratingDue.findUnique({
      where: { providerId_accountId_meterId: { providerId: provider, accountId: account, meterId: meter } },
    });
    return row ? { since: at(row.since), marks: row.marks } : undefined;
  }

  /** Done, unless it was marked again since it was read. */
  async unmark(tx: Tx, { account, meter }: DueKey, marks: bigint): Promise<void> {
    await tx.ratingDue.deleteMany({ where: { accountId: account, meterId: meter, marks } });
  }

  /** Done up to `since`, and due again at `dueAt`; unless it was marked since it was read, then it stays due now. */
  async postpone(tx: Tx, { account, meter }: DueKey, marks: bigint, since: Instant, dueAt: Instant): Promise<void> {
    await tx.ratingDue.updateMany({
      where: { accountId: account, meterId: meter, marks },
      data: { since: new Date(since), dueAt: new Date(dueAt), problem: null },
    });
  }

  /** Could not be rated, and why; tried again at `dueAt`, or sooner when more usage arrives. */
  async keepProblem(tx: Tx, { account, meter }: DueKey, problem: string, dueAt: Instant): Promise<void> {
    await tx.ratingDue.updateMany({
      where: { accountId: account, meterId: meter },
      data: { problem, dueAt: new Date(dueAt) },
    });
  }
}
