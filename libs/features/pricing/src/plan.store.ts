import { Fault } from '@core/faults';
import { type Instant, formatInstant } from '@core/time';
import type { Tx } from '@platform/database';

/** Which accounts are on which plan version. */
export class AccountPlanStore {
  /** Lets one transaction at a time move a provider's accounts; the next one waits. */
  async lock(tx: Tx, provider: string): Promise<void> {
    await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`account plans ${provider}`}, 0))::text`;
  }

  /** The account by id, or by the provider's own name for it. */
  async account(tx: Tx, idOrName: string): Promise<string> {
    const rows = await tx.account.findMany({
      where: { OR: [{ id: idOrName }, { name: idOrName }] },
      select: { id: true },
    });
    const found = rows.find(({ id }) => id === idOrName) ?? rows[0];
    if (!found) {
      throw new Fault('not_found', `There is no account with the id or name "${idOrName.slice(0, 64)}".`, {
        reason: 'unknown_account',
      });
    }
    return found.id;
  }

  async add(
    tx: Tx,
    provider: string,
    move: { readonly account: string; readonly planVersion: string | undefined; readonly from: Instant },
  ): Promise<void> {
    await tx.accountPlan.create({
      data: {
        accountId: move.account,
        providerId: provider,
        planVersionId: move.planVersion ?? null,
        from: new Date(move.from),
      },
    });
  }

  /**
   * Moves every account that is on one of some plan versions at an instant, and does not move at or after it anyway.
   * @returns the accounts that moved
   */
  async moveAll(
    tx: Tx,
    provider: string,
    move: { readonly of: readonly string[]; readonly to: string; readonly from: Instant },
  ): Promise<string[]> {
    const from = formatInstant(move.from);
    const rows = await tx.$queryRaw<{ account_id: string }[]>`
      INSERT INTO account_plans (account_id, "from", provider_id, plan_version_id)
      SELECT last.account_id, ${from}::timestamptz, ${provider}, ${move.to}
      FROM (SELECT DISTINCT ON (account_id) account_id, plan_version_id, "from" FROM account_plans ORDER BY account_id, "from" DESC) last
      WHERE last.plan_version_id = ANY (${[...move.of]}::text[]) AND last.plan_version_id <> ${move.to} AND last."from" < ${from}::timestamptz
      ORDER BY 1
      RETURNING account_id`;
    return rows.map(({ account_id }) => account_id);
  }
}
