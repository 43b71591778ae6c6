import type { Instant } from '@core/time';
import { at, type Tx } from '@platform/database';

/** Usage that could not be rated the last time, and why. */
interface RatingProblem {
  /** `acct_…` */
  readonly account: string;
  /** `mtr_…`; absent for what the account owes without a meter. */
  readonly meter?: string;
  readonly problem: string;
  /** Earliest instant whose usage waits. */
  readonly since: Instant;
  /** When it is tried again. */
  readonly dueAt: Instant;
}

export class RatingProblems {
  /** By account and meter. */
  async list(tx: Tx, limit = 1_000): Promise<RatingProblem[]> {
    const rows = await tx.ratingDue.findMany({
      where: { problem: { not: null } },
      orderBy: [{ accountId: 'asc' }, { meterId: 'asc' }],
      take: limit,
    });
    return rows.map((row) => ({
      account: row.accountId,
      ...(row.meterId === '' ? {} : { meter: row.meterId }),
      problem: row.problem ?? '',
      since: at(row.since),
      dueAt: at(row.dueAt),
    }));
  }
}
