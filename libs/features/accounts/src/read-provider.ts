import { Fault } from '@core/faults';
import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import type { ProviderSettings } from './views.js';

export class ReadProvider {
  readonly #store = new AccountsStore();

  constructor(private readonly database: Database) {}

  /** @throws Fault not_found */
  async run(provider: string): Promise<ProviderSettings> {
    const found = await this.database.forProvider(provider, (tx) => this.#store.provider(tx, provider));
    if (!found) throw new Fault('not_found', 'There is no such provider.', { reason: 'unknown_provider' });
    return found;
  }
}
