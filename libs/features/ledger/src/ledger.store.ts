import type { Entry } from '@core/ledger';
import type { Tx, WriterTx } from '@platform/database';
import { postings } from './postings.js';

export class LedgerStore {
  /** Opens the ledger accounts of many entries at once; `post_transfers` looks for each among all that are posted. */
  async open(tx: WriterTx, entries: readonly Entry[]): Promise<void> {
    await tx.query(
      `INSERT INTO ledger_accounts (id, provider_id, code, asset, account_id, detail)
       SELECT DISTINCT ON (p.id) p.id, p.provider, p.code, p.asset, p.account, p.detail
       FROM (
         SELECT ledger_account_id(i.provider, side.code, i.asset, side.account, side.detail) AS id, i.provider, i.asset, side.*
         FROM jsonb_to_recordset($1::jsonb) AS i (provider text, asset text, "debitCode" text, "debitAccount" text, "debitDetail" text,
             "creditCode" text, "creditAccount" text, "creditDetail" text),
           LATERAL (VALUES (i."debitCode", i."debitAccount", i."debitDetail"), (i."creditCode", i."creditAccount", i."creditDetail"))
             AS side (code, account, detail)
       ) p
       ORDER BY p.id ON CONFLICT DO NOTHING`,
      [JSON.stringify(postings(entries))],
    );
  }

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
