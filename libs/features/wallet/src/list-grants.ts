import type { Database } from '@platform/database';
import { GrantStore } from './grant.store.js';
import type { StoredGrant } from './stored-grant.js';
import { requireAccount } from './issue-grant.js';

/** The grants an account ever had. */
export class ListGrants {
  readonly #grants = new GrantStore();

  constructor(private readonly database: Database) {}

  /**
   * A page, newest first.
   * @param input.before `grt_…`: goes on after it
   * @throws Fault not_found (`unknown_account`)
   */
  async run(input: {
    readonly provider: string;
    readonly account: string;
    readonly limit: number;
    readonly before?: string | undefined;
  }): Promise<{ readonly grants: readonly StoredGrant[]; readonly next: string | undefined }> {
    return this.database.forProvider(input.provider, async (tx) => {
      await requireAccount(tx, input.account);
      const found = await this.#grants.ofAccount(tx, input.account, input.limit + 1, input.before);
      const grants = found.slice(0, input.limit);
      return { grants, next: found.length > input.limit ? grants.at(-1)?.id : undefined };
    });
  }
}
