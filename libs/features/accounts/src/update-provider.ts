import { Fault } from '@core/faults';
import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import { payToOf } from './create-provider.js';
import type { ProviderSettings } from './views.js';

interface ProviderChanges {
  readonly name?: string | undefined;
  readonly payTo?: string | undefined;
  readonly exposureCapPayer?: bigint | undefined;
  readonly exposureCapProvider?: bigint | undefined;
  /** null: no amount waits longer for being large. */
  readonly raiseAbove?: bigint | null | undefined;
  readonly raiseFirstPayment?: boolean | undefined;
}

/** Changes what is given and leaves the rest. Quotes already given keep the address they were given with. */
export class UpdateProvider {
  readonly #store = new AccountsStore();

  constructor(private readonly database: Database) {}

  /** @throws Fault invalid_request for an address that cannot be paid, not_found for a provider that does not exist. */
  async run(input: { provider: string; changes: ProviderChanges }): Promise<ProviderSettings> {
    const { changes } = input;
    return this.database.forProvider(input.provider, async (tx) => {
      const current = await this.#store.provider(tx, input.provider);
      if (!current) throw new Fault('not_found', 'There is no such provider.', { reason: 'unknown_provider' });
      const next: ProviderSettings = {
        ...current,
        name: changes.name ?? current.name,
        payTo: changes.payTo === undefined ? current.payTo : payToOf(changes.payTo),
        exposureCapPayer: changes.exposureCapPayer ?? current.exposureCapPayer,
        exposureCapProvider: changes.exposureCapProvider ?? current.exposureCapProvider,
        raiseAbove: changes.raiseAbove === undefined ? current.raiseAbove : (changes.raiseAbove ?? undefined),
        raiseFirstPayment: changes.raiseFirstPayment ?? current.raiseFirstPayment,
      };
      await this.#store.updateProvider(tx, input.provider, next);
      return next;
    });
  }
}
