import { Fault } from '@core/faults';
import type { Clock } from '@core/time';
import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import type { ListedKey } from './views.js';

/** Ends a key for good, everywhere within 5 seconds. Repeating it changes nothing. */
export class RevokeKey {
  readonly #store = new AccountsStore();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault not_found when the provider has no such key. */
  async run(input: { provider: string; key: string }): Promise<ListedKey> {
    const now = this.clock.now();
    const key = await this.database.forProvider(input.provider, (tx) => this.#store.revokeKey(tx, input.key, now));
    if (!key)
      throw new Fault('not_found', 'There is no such key. GET /v1/keys lists yours.', { reason: 'unknown_key' });
    return key;
  }
}
