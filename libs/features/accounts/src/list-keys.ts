import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import type { ListedKey } from './views.js';

export class ListKeys {
  readonly #store = new AccountsStore();

  constructor(private readonly database: Database) {}

  /** All keys of a provider, oldest first, revoked and expired ones too. */
  async run(provider: string): Promise<ListedKey[]> {
    return this.database.forProvider(provider, (tx) => this.#store.keys(tx));
  }
}
