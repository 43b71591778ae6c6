import { hash } from 'node:crypto';
import type { AgentBudget, AgentScope } from '@core/agents';
import type { Clock, Instant } from '@core/time';
import type { Database } from '@platform/database';
import { type KeyEnvironment, keyHash, parseKey, sameHash } from './key-text.js';
import { PresentedKeys } from './presented-keys.js';
import type { StoredAgentKey, StoredKey } from './views.js';

/** Who presents a key that holds. */
interface KeyHolder {
  readonly provider: string;
  /** `key_…` */
  readonly key: string;
  readonly scopes: readonly string[];
  readonly environment: KeyEnvironment;
}

/** The agent that presents a key that holds: it acts for one account. */
export interface AgentKeyHolder {
  readonly provider: string;
  readonly account: string;
  /** `key_…` */
  readonly key: string;
  readonly scopes: readonly AgentScope[];
  readonly budgets: readonly AgentBudget[];
  readonly expiresAt: Instant | undefined;
  readonly environment: KeyEnvironment;
}

/** `unknown` covers a key that does not exist and a secret that is wrong: the caller learns no difference. */
export type KeyRefusal = 'malformed' | 'unknown' | 'revoked' | 'expired';

type Authentication =
  /** A provider's key. */
  | { readonly outcome: 'authenticated'; readonly holder: KeyHolder }
  /** An agent's key: never to be taken for a provider's. */
  | { readonly outcome: 'agent'; readonly holder: AgentKeyHolder }
  | { readonly outcome: 'refused'; readonly reason: KeyRefusal };

/**
 * Tells who presents a key, a provider or an agent. Rows are remembered for some seconds, so that busy keys cost one read per few
 * seconds and process, all of them together. The secret is checked on every call.
 */
export class AuthenticateKey {
  readonly #keys: PresentedKeys;

  /** By row, the digest of the text that was found to be its own. */
  readonly #held = new WeakMap<object, string>();

  constructor(
    database: Database,
    private readonly clock: Clock,
    private readonly pepper: string,
  ) {
    this.#keys = new PresentedKeys(database, clock);
  }

  /** @throws Fault unavailable when the database does not answer: then nobody is let in. */
  async run(text: string): Promise<Authentication> {
    const presented = parseKey(text);
    if (!presented) return { outcome: 'refused', reason: 'malformed' };
    const now = this.clock.now();
    const found = await this.#keys.find(presented.id, now);
    const row = found?.row;
    if (!row || !this.#holds(presented.text, row)) return { outcome: 'refused', reason: 'unknown' };
    if (row.revokedAt !== undefined) return { outcome: 'refused', reason: 'revoked' };
    if (row.expiresAt !== undefined && row.expiresAt <= now) return { outcome: 'refused', reason: 'expired' };
    const { environment } = presented;
    const { id: key, provider } = row;
    if (found.of === 'provider') {
      return { outcome: 'authenticated', holder: { provider, key, scopes: row.scopes, environment } };
    }
    const { account, scopes, budgets, expiresAt } = found.row;
    return { outcome: 'agent', holder: { provider, account, key, scopes, budgets, expiresAt, environment } };
  }

  /** Whether the text is the one of the row. Told once a row, which lasts some seconds: for a busy key the peppered hash is dear. */
  #holds(text: string, row: StoredKey | StoredAgentKey): boolean {
    const digest = hash('sha256', text);
    if (this.#held.get(row) === digest) return true;
    if (!sameHash(row.hash, keyHash(text, this.pepper))) return false;
    this.#held.set(row, digest);
    return true;
  }
}
