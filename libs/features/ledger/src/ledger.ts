import type { Entry } from '@core/ledger';
import type { Instant } from '@core/time';
import type { Tx, WriterTx } from '@platform/database';
import { setEffective } from './books.js';
import { LedgerStore } from './ledger.store.js';

/** Posts entries. The only way value is written down. */
export class Ledger {
  readonly #store = new LedgerStore();

  /**
   * Posts the entries in the caller's transaction. Repeating an entry changes nothing.
   * @returns how many transfers were new
   * @throws an error of the database when a posting key is taken by a transfer that says something else
   */
  async post(tx: Tx | WriterTx, ...entries: readonly Entry[]): Promise<number> {
    return entries.some((entry) => entry.length > 0) ? this.#store.post(tx, entries) : 0;
  }

  /** Posts thousands of entries at once: their ledger accounts are opened first. */
  async postMany(tx: WriterTx, entries: readonly Entry[]): Promise<number> {
    if (!entries.some((entry) => entry.length > 0)) return 0;
    await this.#store.open(tx, entries);
    return this.#store.post(tx, entries);
  }

  /**
   * Runs work whose postings, and revisions of charges, are effective at an instant instead of now; undefined: now. The database refuses
   * what would be effective in an account's closed books: ask `ClosedBooks.hold` first.
   */
  async effective<T>(tx: Tx | WriterTx, at: Instant | undefined, work: () => Promise<T>): Promise<T> {
    if (at === undefined) return work();
    await setEffective(tx, at);
    const done = await work();
    await setEffective(tx, undefined);
    return done;
  }
}
