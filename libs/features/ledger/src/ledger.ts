import type { Entry } from '@core/ledger';
import type { Tx, WriterTx } from '@platform/database';
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
}
