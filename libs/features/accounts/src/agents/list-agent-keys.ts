import type { Database } from '@platform/database';
import { ReadAccount } from '../read-account.js';
import type { ListedAgentKey } from '../views.js';
import { AgentKeysStore } from './agent-keys.store.js';

export class ListAgentKeys {
  readonly #store = new AgentKeysStore();
  readonly #accounts: ReadAccount;

  constructor(private readonly database: Database) {
    this.#accounts = new ReadAccount(database);
  }

  /**
   * All keys of an account, oldest first, revoked and expired ones too.
   * @throws Fault not_found when the provider has no such account.
   */
  async run(input: { provider: string; account: string }): Promise<ListedAgentKey[]> {
    return this.database.forProvider(input.provider, async (tx) => {
      await this.#accounts.within(tx, input.account);
      return this.#store.keys(tx, input.account);
    });
  }
}
