import { Fault } from '@core/faults';
import { type Clock, type Instant, type Period } from '@core/time';
import type { RateUsage } from '@features/pricing';
import type { Database } from '@platform/database';
import type { IssuedStatement } from './issued-statement.js';
import { assetsOf, PeriodDetails, type PeriodSection, sectionOf } from './sections.js';
import { StatementStore } from './statement.store.js';

export interface Statement {
  readonly provider: { readonly id: string; readonly name: string };
  readonly account: { readonly id: string; readonly name?: string };
  readonly period: Period;
  readonly readAt: Instant;
  /** `open` while the period lasts and more may still come; `ended` after it. */
  readonly status: 'open' | 'ended';
  /** One for each asset the account ever owed or used something priced in, in order of asset; of an issued one, that of its asset. */
  readonly sections: readonly PeriodSection[];
  /** Absent for what is read and was not issued. */
  readonly issued?: IssuedStatement;
}

/**
 * An account's statement of a period. The ledger decides what falls into it: a movement of the account's receivables belongs
 * to the period of its effective instant, and usage of an earlier window that was rated late is on the statement of the
 * period in which it was charged, with the window it is for.
 */
export class ReadStatement {
  readonly #store = new StatementStore();
  readonly #details = new PeriodDetails();

  constructor(
    private readonly database: Database,
    private readonly rateUsage: RateUsage,
    private readonly clock: Clock,
  ) {}

  /**
   * @param input.account id or name
   * @throws Fault not_found (`unknown_account`); invariant_broken when the statement and the ledger disagree
   */
  async run(input: {
    readonly provider: string;
    readonly account: string;
    readonly period: Period;
  }): Promise<Statement> {
    const { provider, period } = input;
    const account = await this.database.forProvider(provider, (tx) => this.#store.account(tx, input.account));
    if (!account) {
      throw new Fault('not_found', `There is no account with the id or name "${input.account.slice(0, 64)}".`, {
        reason: 'unknown_account',
      });
    }
    await this.rateUsage.rateNow({ provider, account: account.id });
    return this.database.forProvider(provider, async (tx) => {
      const snapshot = await this.#store.snapshot(tx, account.id, period);
      const details = await this.#details.of(tx, snapshot);
      const readAt = this.clock.now();
      return {
        provider: { id: provider, name: (await this.#store.providerName(tx)) ?? '' },
        account: { id: account.id, ...(account.name === undefined ? {} : { name: account.name }) },
        period,
        readAt,
        status: readAt < period.end ? ('open' as const) : ('ended' as const),
        sections: assetsOf(snapshot, details).map((asset) => sectionOf(asset, snapshot, details)),
      };
    });
  }
}
