import { hash } from 'node:crypto';
import type { AgentBudget, AgentScope } from '@core/agents';
import type { Clock, Instant } from '@core/time';
import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import { AgentKeysStore } from './agents/agent-keys.store.js';
import { type KeyEnvironment, keyHash, parseKey, sameHash } from './key-text.js';
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

type Found =
  { readonly of: 'provider'; readonly row: StoredKey } | { readonly of: 'agent'; readonly row: StoredAgentKey };

/** How long a row that was read is believed. Below 5 s, so that a revocation takes effect everywhere within 5 s. */
const BELIEVED_MS = 4_000;

/** Most rows remembered; the one remembered longest gives way. */
const REMEMBERED = 10_000;

/**
 * Tells who presents a key, a provider or an agent. Rows are remembered for some seconds, so that a busy key costs one read per few seconds and
 * process; keys that are not found are read anew each time. The secret is checked on every call.
 */
export class AuthenticateKey {
  readonly #store = new AccountsStore();
  readonly #agentKeys = new AgentKeysStore();
  readonly #rows = new Map<string, { readonly row: Promise<Found | undefined>; readonly readAt: Instant }>();

  /** By row, the digest of the text that was found to be its own. */
  readonly #held = new WeakMap<object, string>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly pepper: string,
  ) {}

  /** @throws Fault unavailable when the database does not answer: then nobody is let in. */
  async run(text: string): Promise<Authentication> {
    const presented = parseKey(text);
    if (!presented) return { outcome: 'refused', reason: 'malformed' };
    const now = this.clock.now();
    const found = await this.#found(presented.id, now);
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

  async #found(id: string, now: Instant): Promise<Found | undefined> {
    const remembered = this.#rows.get(id);
    if (remembered && now - remembered.readAt < BELIEVED_MS) return remembered.row;
    const row = this.#read(id);
    this.#remember(id, { row, readAt: now });
    try {
      const found = await row;
      if (!found) this.#forget(id, row);
      return found;
    } catch (error) {
      this.#forget(id, row);
      throw error;
    }
  }

  #read(id: string): Promise<Found | undefined> {
    return this.database.presentedKey(id, async (client) => {
      const row = await this.#store.presentedKey(client, id);
      if (row) return { of: 'provider', row };
      const agents = await this.#agentKeys.presentedKey(client, id);
      return agents ? { of: 'agent', row: agents } : undefined;
    });
  }

  #remember(id: string, entry: { row: Promise<Found | undefined>; readAt: Instant }): void {
    this.#rows.delete(id);
    this.#rows.set(id, entry);
    const oldest = this.#rows.keys().next();
    if (this.#rows.size > REMEMBERED && !oldest.done) this.#rows.delete(oldest.value);
  }

  #forget(id: string, row: Promise<Found | undefined>): void {
    if (this.#rows.get(id)?.row === row) this.#rows.delete(id);
  }
}
