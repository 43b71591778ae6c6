import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import type { Clock } from '@core/time';
import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import type { ProviderSettings } from './views.js';

/** Ten dollars of one payer and a thousand in all may be unsettled at once, and above one dollar a response waits longer. */
const DEFAULT_EXPOSURE = { capPayer: 10_000_000n, capProvider: 1_000_000_000n, raiseAbove: 1_000_000n } as const;

export class CreateProvider {
  readonly #store = new AccountsStore();

  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault invalid_request when `payTo` is not an address. */
  async run(input: { name: string; payTo: string }): Promise<ProviderSettings> {
    const provider: ProviderSettings = {
      id: this.ids.next('prv'),
      name: input.name,
      payTo: payToOf(input.payTo),
      exposureCapPayer: DEFAULT_EXPOSURE.capPayer,
      exposureCapProvider: DEFAULT_EXPOSURE.capProvider,
      raiseAbove: DEFAULT_EXPOSURE.raiseAbove,
      raiseFirstPayment: true,
      createdAt: this.clock.now(),
    };
    await this.database.forProvider(provider.id, (tx) => this.#store.insertProvider(tx, provider));
    return provider;
  }
}

/**
 * An address as it is kept: lower case.
 * @throws Fault invalid_request for any other text, and for the zero address, where money would be lost
 */
export function payToOf(text: string): string {
  const address = text.toLowerCase();
  if (!/^0x[0-9a-f]{40}$/.test(address) || /^0x0{40}$/.test(address)) {
    throw new Fault(
      'invalid_request',
      'payTo is not an address that can be paid: give 0x and 40 hex digits of a wallet you hold.',
      {
        reason: 'invalid_pay_to',
      },
    );
  }
  return address;
}
