import { Fault } from '@core/faults';
import type { Database, Tx } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import type { Account } from './views.js';

export class ReadAccount {
  readonly #store = new AccountsStore();

  constructor(private readonly database: Database) {}

  /** @throws Fault not_found when the provider has no such account. */
  async run(input: { provider: string; account: string }): Promise<Account> {
    return this.database.forProvider(input.provider, (tx) => this.within(tx, input.account));
  }

  /** The same within a transaction of the caller's. */
  async within(tx: Tx, id: string): Promise<Account> {
    const account = await this.#store.account(tx, id);
    if (!account) {
      throw new Fault(
        'not_found',
        'There is no such account. GET /v1/accounts lists yours; POST /v1/accounts opens one.',
        {
          reason: 'unknown_account',
        },
      );
    }
    return account;
  }
}
