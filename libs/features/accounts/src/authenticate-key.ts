import type { Clock, Instant } from '@core/time';
import type { Database } from '@platform/database';
import { AccountsStore } from './accounts.store.js';
import { type KeyEnvironment, keyHash, parseKey, sameHash } from './key-text.js';
import type { StoredKey } from './views.js';

/** Who presents a key that holds. */
export interface KeyHolder {
  readonly provider: string;
  /** `key_…` */
  readonly key: string;
  readonly scopes: readonly string[];
  readonly environment: KeyEnvironment;
}

/** `unknown` covers a key that does not exist and a secret that is wrong: the caller learns no difference. */
export type KeyRefusal = 'malformed' | 'unknown' | 'revoked' | 'expired';

export type Authentication =
  | { readonly outcome: 'authenticated'; readonly holder: KeyHolder }
  | { readonly outcome: 'refused'; readonly reason: KeyRefusal };

/** How long a row that was read is believed. Below 5 s, so that a revocation takes effect everywhere within 5 s. */
const BELIEVED_MS = 4_000;

/** Most rows remembered; the one remembered longest gives way. */
const REMEMBERED = 10_000;

/**
 * Tells who presents a key. Rows are remembered for some seconds, so that a busy key costs one read per few seconds and
 * process; keys that are not found are read anew each time. The secret is checked on every call.
 */
export class AuthenticateKey {
  readonly #store = new AccountsStore();
  readonly #rows = new Map<string, { readonly row: Promise<StoredKey | undefined>; readonly readAt: Instant }>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly pepper: string,
  ) {}

  /** @throws Fault unavailable when the database does not answer: then nobody is let in. */
  async run(text: string): Promise<Authentication> {
    const presented = parseKey(text);
    if (!presented) return { outcome: 'refused', reason: 'malformed' };
    const hash = keyHash(presented.text, this.pepper);
    const now = this.clock.now();
    const row = await this.#row(presented.id, now);
    if (!row || !sameHash(row.hash, hash)) return { outcome: 'refused', reason: 'unknown' };
    if (row.revokedAt !== undefined) return { outcome: 'refused', reason: 'revoked' };
    if (row.expiresAt !== undefined && row.expiresAt <= now) return { outcome: 'refused', reason: 'expired' };
    return {
      outcome: 'authenticated',
      holder: { provider: row.provider, key: row.id, scopes: row.scopes, environment: presented.environment },
    };
  }

  async #row(id: string, now: Instant): Promise<StoredKey | undefined> {
    const remembered = this.#rows.get(id);
    if (remembered && now - remembered.readAt < BELIEVED_MS) return remembered.row;
    const row = this.database.presentedKey(id, (client) => this.#store.presentedKey(client, id));
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

  #remember(id: string, entry: { row: Promise<StoredKey | undefined>; readAt: Instant }): void {
    this.#rows.delete(id);
    this.#rows.set(id, entry);
    const oldest = this.#rows.keys().next();
    if (this.#rows.size > REMEMBERED && !oldest.done) this.#rows.delete(oldest.value);
  }

  #forget(id: string, row: Promise<StoredKey | undefined>): void {
    if (this.#rows.get(id)?.row === row) this.#rows.delete(id);
  }
}
