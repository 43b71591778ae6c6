import type { Instant } from '@core/time';
import type { Writer } from '@platform/database';

/** How long what was read is believed: an account is suspended, or good again, everywhere within 5 s. */
const BELIEVED_MS = 4_000;

/** The accounts that are suspended for not paying, of all providers: few, and asked for at every request. */
export class SuspendedAccounts {
  #known: { readonly accounts: ReadonlySet<string>; readonly readAt: Instant } | undefined;
  #reading: Promise<ReadonlySet<string>> | undefined;

  constructor(private readonly writer: Writer) {}

  /** @throws Fault unavailable when the database does not answer. */
  async has(account: string, now: Instant): Promise<boolean> {
    const known = this.#known;
    if (known && now - known.readAt < BELIEVED_MS && now >= known.readAt) return known.accounts.has(account);
    this.#reading ??= this.#read(now).finally(() => (this.#reading = undefined));
    return (await this.#reading).has(account);
  }

  async #read(now: Instant): Promise<ReadonlySet<string>> {
    const rows = await this.writer.query<{ account_id: string }>(
      "SELECT account_id FROM billing_terms WHERE standing = 'suspended'",
    );
    const accounts = new Set(rows.map(({ account_id: account }) => account));
    this.#known = { accounts, readAt: now };
    return accounts;
  }
}
