import type { Tx } from '@platform/database';
import type { AccountStanding, PastDueAction } from './terms.js';
import { TermsStore } from './terms.store.js';

const AFTER: Readonly<Record<PastDueAction, AccountStanding>> = {
  warn: 'warned',
  prepaid_only: 'prepaid_only',
  suspend: 'suspended',
};

/** Where a billed account stands. What follows from it for credit is `PastDue` of the wallet. */
export class Standing {
  readonly #store = new TermsStore();

  /** It did not pay: what its terms say happens then. Undefined for an account without terms. */
  async lower(tx: Tx, account: string): Promise<AccountStanding | undefined> {
    const terms = await this.#store.of(tx, account);
    if (!terms) return undefined;
    const standing = AFTER[terms.pastDue];
    if (standing !== terms.standing) await this.#store.setStanding(tx, account, standing);
    return standing;
  }

  /** It paid all that was past due. */
  async restore(tx: Tx, account: string): Promise<void> {
    await this.#store.setStanding(tx, account, 'good');
  }

  async of(tx: Tx, account: string): Promise<AccountStanding> {
    return (await this.#store.of(tx, account))?.standing ?? 'good';
  }
}
