import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import type { Clock, Instant } from '@core/time';
import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import { type KeyEnvironment, keyHash, newKeyText } from './key-text.js';
import type { KeyScope } from './scopes.js';
import type { ListedKey } from './views.js';

interface NewKey {
  readonly provider: string;
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  readonly environment: KeyEnvironment;
  readonly expiresAt?: Instant | undefined;
  /**
   * Scopes of the key that asks, when a key asks: no key can make one that may do more than itself. Absent for the
   * operator's command.
   */
  readonly within?: readonly string[] | undefined;
}

/** Makes a key. `text` is the key itself: shown now and never again, as only its hash is kept. */
export class CreateKey {
  readonly #store = new AccountsStore();

  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock: Clock,
    private readonly pepper: string,
  ) {}

  /** @throws Fault invalid_request for no scope or an expiry in the past, forbidden beyond `within`, not_found for the provider. */
  async run(input: NewKey): Promise<{ readonly key: ListedKey; readonly text: string }> {
    const now = this.clock.now();
    const scopes = [...new Set(input.scopes)];
    if (scopes.length === 0)
      throw new Fault('invalid_request', 'A key needs at least one scope.', { reason: 'no_scope' });
    if (input.expiresAt !== undefined && input.expiresAt <= now) {
      throw new Fault('invalid_request', 'expiresAt lies in the past: give an instant to come, or leave it out.', {
        reason: 'expiry_in_past',
      });
    }
    const beyond = input.within ? scopes.filter((scope) => input.within?.includes(scope) === false) : [];
    if (beyond.length > 0) {
      throw new Fault(
        'forbidden',
        `This key may not give what it does not have: ${beyond.join(', ')}. Ask with a key that has these scopes.`,
        {
          reason: 'scope_escalation',
          details: { beyond },
        },
      );
    }
    const id = this.ids.next('key');
    const text = newKeyText(id, input.environment);
    const key: ListedKey = {
      id,
      name: input.name,
      scopes,
      createdAt: now,
      expiresAt: input.expiresAt,
      revokedAt: undefined,
    };
    await this.database.forProvider(input.provider, async (tx) => {
      const provider = await this.#store.provider(tx, input.provider);
      if (!provider)
        throw new Fault('not_found', `There is no provider ${input.provider}.`, { reason: 'unknown_provider' });
      await this.#store.insertKey(tx, input.provider, key, keyHash(text, this.pepper));
    });
    return { key, text };
  }
}
