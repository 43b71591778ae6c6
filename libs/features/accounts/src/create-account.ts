import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import type { Clock } from '@core/time';
import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import type { Account } from './views.js';

type AccountCreation = { readonly outcome: 'created' | 'exists'; readonly account: Account };

/**
 * Opens an account. With a name it is harmless to repeat: the account of that name is answered. A wallet is not linked here,
 * as nothing would prove that it is the agent's: a wallet gets its account by paying.
 */
export class CreateAccount {
  readonly #store = new AccountsStore();

  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault invalid_request for a name that would be read as an id or a wallet. */
  async run(input: { provider: string; name?: string | undefined }): Promise<AccountCreation> {
    const { name } = input;
    if (name !== undefined && /^(?:acct_|0x[0-9a-fA-F]{40}$)/.test(name)) {
      throw new Fault(
        'invalid_request',
        'name: may not look like an account id or a wallet address, as usage names accounts by any of the three.',
        {
          reason: 'ambiguous_name',
        },
      );
    }
    const account: Account = { id: this.ids.next('acct'), name, wallets: [], createdAt: this.clock.now() };
    return this.database.forProvider(input.provider, async (tx) => {
      if (await this.#store.insertAccount(tx, input.provider, account)) return { outcome: 'created', account };
      const known = name === undefined ? undefined : await this.#store.accountByName(tx, name);
      if (!known) throw new Fault('invariant_broken', 'an account could be neither inserted nor found');
      return { outcome: 'exists', account: known };
    });
  }
}
