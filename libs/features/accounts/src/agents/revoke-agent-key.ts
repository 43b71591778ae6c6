import { Fault } from '@core/faults';
import type { Clock } from '@core/time';
import type { Database } from '@platform/database';
import type { ListedAgentKey } from '../views.js';
import { AgentKeysStore } from './agent-keys.store.js';

/** Ends a key of an agent for good, everywhere within 5 seconds. Repeating it changes nothing. */
export class RevokeAgentKey {
  readonly #store = new AgentKeysStore();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault not_found when the account has no such key. */
  async run(input: { provider: string; account: string; key: string }): Promise<ListedAgentKey> {
    const now = this.clock.now();
    const key = await this.database.forProvider(input.provider, (tx) =>
      this.#store.revoke(tx, input.account, input.key, now),
    );
    if (!key) {
      throw new Fault(
        'not_found',
        'The account has no such key. GET /v1/accounts/:id/keys lists those of an agent, GET /v1/keys your own.',
        { reason: 'unknown_key' },
      );
    }
    return key;
  }
}
