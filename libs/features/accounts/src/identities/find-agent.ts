import type { Instant } from '@core/time';
import { GroupCommit, type Writer } from '@platform/database';
import { IdentitiesStore, type IdentityName } from './identities.store.js';

/** How long an identity that was found is believed: one that is unlinked stops within 5 s. */
const BELIEVED_MS = 4_000;

/** Most identities remembered; the one remembered longest gives way. */
const REMEMBERED = 50_000;

/** Most that are looked up in one round trip. */
const AT_ONCE = 500;

interface Remembered {
  readonly account: string;
  readonly readAt: Instant;
}

/** Tells whose account an identity is of. Identities that nobody has are looked up anew each time. */
export class FindAgent {
  readonly #store = new IdentitiesStore();
  readonly #remembered = new Map<string, Remembered>();
  readonly #looks: GroupCommit<IdentityName, { readonly account: string | undefined }>;

  constructor(writer: Writer) {
    this.#looks = new GroupCommit(
      async (names) => (await this.#store.accounts(writer, names)).map((account) => ({ account })),
      AT_ONCE,
    );
  }

  /** @throws Fault unavailable when the database does not answer. */
  async accountOf(name: IdentityName, now: Instant): Promise<string | undefined> {
    const key = `${name.provider} ${name.kind} ${name.subject}`;
    const known = this.#remembered.get(key);
    if (known && now - known.readAt < BELIEVED_MS) return known.account;
    const { account } = await this.#looks.add(name);
    this.#remembered.delete(key);
    if (account !== undefined) this.#remember(key, { account, readAt: now });
    return account;
  }

  #remember(key: string, entry: Remembered): void {
    this.#remembered.set(key, entry);
    const oldest = this.#remembered.keys().next();
    if (this.#remembered.size > REMEMBERED && !oldest.done) this.#remembered.delete(oldest.value);
  }
}
