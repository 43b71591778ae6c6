import { type Instant, instant } from '@core/time';
import { Standing } from '@features/accounts';
import type { IssuedStatement, StatementStates } from '@features/statements';
import { PastDue } from '@features/wallet';
import type { Announce } from '@features/webhooks';
import { big, rowsOf, type Tx } from '@platform/database';

/** What becomes of an account that does not pay in time, and of one that has paid all. */
export class PastDueAccounts {
  readonly #pastDue = new PastDue();
  readonly #standing = new Standing();

  constructor(
    private readonly statements: StatementStates,
    private readonly announce: Announce,
  ) {}

  /** The statement is past due where its time is over; its account is treated as its terms say. */
  async late(tx: Tx, statement: Pick<IssuedStatement, 'id' | 'provider' | 'account' | 'dueAt'>): Promise<void> {
    if (statement.dueAt > (await this.#now(tx))) return;
    const { outcome } = await this.statements.markOverdue(tx, { statement: statement.id });
    if (outcome === 'not_possible') return;
    await this.lower(tx, statement, 'statement_past_due');
  }

  /** As its terms say, told once. */
  async lower(
    tx: Tx,
    { provider, account }: Pick<IssuedStatement, 'provider' | 'account'>,
    reason: string,
  ): Promise<void> {
    const before = await this.#standing.of(tx, account);
    const after = await this.#pastDue.apply(tx, account);
    if (after === undefined || after === before || after === 'good' || after === 'warned') return;
    const version = await this.#now(tx);
    await this.announce.add(tx, {
      provider,
      type: after === 'suspended' ? 'account.suspended' : 'account.restricted',
      object: { id: account, version },
      data: { account, reason },
    });
  }

  /** Good again when no statement of the account is past due or given up. */
  async lift(tx: Tx, { provider, account }: Pick<IssuedStatement, 'provider' | 'account'>): Promise<void> {
    const before = await this.#standing.of(tx, account);
    if (before === 'good') return;
    const [row] = await rowsOf<{ owes: boolean }>(
      tx,
      "SELECT EXISTS (SELECT FROM statements WHERE account_id = $1 AND state IN ('overdue', 'uncollectible')) AS owes",
      [account],
    );
    if (row?.owes !== false) return;
    await this.#pastDue.lift(tx, account);
    if (before === 'warned') return;
    const version = await this.#now(tx);
    await this.announce.add(tx, {
      provider,
      type: 'account.restored',
      object: { id: account, version },
      data: { account, reason: 'statements_paid' },
    });
  }

  /** Of the database. */
  async #now(tx: Tx): Promise<Instant> {
    const [row] = await rowsOf<{ ms: string }>(tx, 'SELECT (extract(epoch FROM now()) * 1000)::bigint::text AS ms', []);
    return instant(Number(big(row?.ms ?? '0')));
  }
}
