import type { IdentityKind } from '@core/agents';
import { Fault } from '@core/faults';
import type { Database } from '@platform/database';
import { IdentitiesStore } from './identities.store.js';

/**
 * Takes an identity from its account, everywhere within 5 seconds. What it did stays the account's; a wallet that pays again opens
 * a new account.
 */
export class UnlinkIdentity {
  readonly #store = new IdentitiesStore();

  constructor(private readonly database: Database) {}

  /** @throws Fault not_found when the account has no such identity. */
  async run(input: { provider: string; account: string; kind: IdentityKind; subject: string }): Promise<void> {
    const subject = input.subject.toLowerCase();
    const removed = await this.database.forProvider(input.provider, (tx) =>
      this.#store.remove(tx, input.account, { kind: input.kind, subject }),
    );
    if (!removed) {
      throw new Fault('not_found', 'The account has no such identity. GET /v1/accounts/:id/identities lists them.', {
        reason: 'unknown_identity',
      });
    }
  }
}
