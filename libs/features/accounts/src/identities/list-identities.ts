import type { Database } from '@platform/database';
import { ReadAccount } from '../read-account.js';
import type { Identity } from '../views.js';
import { IdentitiesStore } from './identities.store.js';

export class ListIdentities {
  readonly #store = new IdentitiesStore();
  readonly #accounts: ReadAccount;

  constructor(private readonly database: Database) {
    this.#accounts = new ReadAccount(database);
  }

  /**
   * All identities of an account, oldest first.
   * @throws Fault not_found when the provider has no such account.
   */
  async run(input: { provider: string; account: string }): Promise<Identity[]> {
    return this.database.forProvider(input.provider, async (tx) => {
      await this.#accounts.within(tx, input.account);
      return this.#store.identities(tx, input.account);
    });
  }
}
