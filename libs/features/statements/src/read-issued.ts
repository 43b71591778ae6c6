import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { statementContent, type StatementState } from '@core/statements';
import type { Clock } from '@core/time';
import type { Database, Tx } from '@platform/database';
import type { IssuedStatement } from './issued-statement.js';
import { IssuedStore } from './issued.store.js';
import type { Statement } from './read-statement.js';
import { disagree, PeriodDetails, sectionOf } from './sections.js';
import { type Movement, StatementStore } from './statement.store.js';

interface StatementsToList {
  readonly provider: string;
  /** Id or name. */
  readonly account?: string | undefined;
  readonly state?: StatementState | undefined;
  /** `stm_…`, the last of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Issued statements. What one says is read from the ledger and held against what was issued. */
export class ReadIssued {
  readonly #issued = new IssuedStore();
  readonly #store = new StatementStore();
  readonly #details = new PeriodDetails();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Newest first.
   * @throws Fault not_found (`unknown_account`)
   */
  async list(query: StatementsToList): Promise<IssuedStatement[]> {
    return this.database.forProvider(query.provider, async (tx) => {
      const account = query.account === undefined ? undefined : await this.#accountOf(tx, query.account);
      return this.#issued.list(tx, { account, state: query.state }, query.after, query.limit);
    });
  }

  /** @throws Fault not_found (`unknown_statement`) */
  async find({
    provider,
    statement,
  }: {
    readonly provider: string;
    readonly statement: string;
  }): Promise<IssuedStatement> {
    return this.database.forProvider(provider, (tx) => this.#one(tx, statement));
  }

  /**
   * With its lines.
   * @throws Fault not_found (`unknown_statement`); invariant_broken (`statement_disagrees`) when the ledger tells it differently by now
   */
  async run({ provider, statement }: { readonly provider: string; readonly statement: string }): Promise<Statement> {
    return this.database.forProvider(provider, async (tx) => {
      const issued = await this.#one(tx, statement);
      const { account: id, asset, period } = issued;
      const account = await this.#store.account(tx, id);
      const snapshot = await this.#store.snapshot(tx, id, period);
      const section = sectionOf(asset, snapshot, await this.#details.of(tx, snapshot));
      const { opening, charges, payments, adjustments, closing } = section.totals;
      const said = [issued.opening, issued.charges, issued.payments, issued.adjustments, issued.closing].join();
      if ([opening, charges, payments, adjustments, closing].join() !== said)
        disagree(`statement ${issued.number} was issued with other totals than the ledger has`);
      if (hashOf(issued, snapshot.movements) !== issued.contentHash)
        disagree(`statement ${issued.number} was issued with other lines than the ledger has`);
      return {
        provider: { id: provider, name: (await this.#store.providerName(tx)) ?? '' },
        account: { id, ...(account?.name === undefined ? {} : { name: account.name }) },
        period,
        readAt: this.clock.now(),
        status: 'ended' as const,
        sections: [section],
        issued,
      };
    });
  }

  async #one(tx: Tx, id: string): Promise<IssuedStatement> {
    const found = await this.#issued.one(tx, id, 'read');
    if (!found) throw new Fault('not_found', 'There is no such statement.', { reason: 'unknown_statement' });
    return found;
  }

  async #accountOf(tx: Tx, named: string): Promise<string> {
    const account = await this.#store.account(tx, named);
    if (account) return account.id;
    throw new Fault('not_found', `There is no account with the id or name "${named.slice(0, 64)}".`, {
      reason: 'unknown_account',
    });
  }
}

function hashOf(issued: IssuedStatement, movements: readonly Movement[]): string {
  const own = movements.filter(({ asset }) => asset === issued.asset).sort((a, b) => (a.order < b.order ? -1 : 1));
  return createHash('sha256').update(statementContent(issued, own)).digest('hex');
}
