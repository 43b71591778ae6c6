import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import type { Account } from './views.js';

export class ListAccounts {
  readonly #store = new AccountsStore();

  constructor(private readonly database: Database) {}

  /** A page in order of id, which is the order of opening. `next` is the cursor of the page after, if there is one. */
  async run(input: {
    provider: string;
    after?: string | undefined;
    limit: number;
  }): Promise<{ readonly accounts: readonly Account[]; readonly next: string | undefined }> {
    const rows = await this.database.forProvider(input.provider, (tx) =>
      this.#store.accounts(tx, { after: input.after, limit: input.limit + 1 }),
    );
    const accounts = rows.slice(0, input.limit);
    return { accounts, next: rows.length > input.limit ? accounts.at(-1)?.id : undefined };
  }
}
