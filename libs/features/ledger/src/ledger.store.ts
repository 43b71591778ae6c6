import type { Entry } from '@core/ledger';
import type { Tx, WriterTx } from '@platform/database';
import { postings } from './postings.js';

export class LedgerStore {
  /** How many of the transfers were new; the others had been posted before, saying the same. */
  async post(tx: Tx | WriterTx, entries: readonly Entry[]): Promise<number> {
    const items = JSON.stringify(postings(entries));
    const rows =
      '__writer' in tx
        ? await tx.query<{ posted: number }>('SELECT post_transfers($1::jsonb) AS posted', [items])
        : await tx.$queryRaw<{ posted: number }[]>`SELECT post_transfers(${items}::jsonb) AS posted`;
    return rows[0]?.posted ?? 0;
  }
}
