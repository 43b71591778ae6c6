import { type Instant, formatInstant, instant } from '@core/time';
import { rowsOf, type Tx, type WriterTx } from '@platform/database';

/** Until when accounts' books are closed: nothing is posted to their receivables with an effective time before. */
export class ClosedBooks {
  /**
   * Keeps an account's books from being closed until the transaction ends, and answers until when they are closed. Whoever posts with an
   * effective time in the past asks here first, so that it cannot slip past a statement that is being drawn up.
   */
  async hold(tx: Tx | WriterTx, account: string): Promise<Instant | undefined> {
    await rowsOf(tx, 'SELECT 1 AS held FROM billing_terms WHERE account_id = $1 FOR SHARE', [account]);
    // A statement of its own: it sees what was committed while the first one waited.
    const [row] = await rowsOf<{ until: string }>(
      tx,
      'SELECT (extract(epoch FROM closed_until) * 1000)::bigint::text AS until FROM closed_books WHERE account_id = $1',
      [account],
    );
    return row ? instant(Number(row.until)) : undefined;
  }

  /** Closes the books of accounts of a provider. Books are never opened again: what was closed longer stays so. */
  async close(
    tx: Tx | WriterTx,
    provider: string,
    closing: readonly { readonly account: string; readonly until: Instant }[],
  ): Promise<void> {
    await rowsOf(
      tx,
      `INSERT INTO closed_books AS b (account_id, provider_id, closed_until)
       SELECT i.account, $1, i.until FROM jsonb_to_recordset($2::jsonb) AS i (account text, until timestamptz) ORDER BY i.account
       ON CONFLICT (account_id) DO UPDATE SET closed_until = greatest(b.closed_until, excluded.closed_until)`,
      [provider, JSON.stringify(closing.map(({ account, until }) => ({ account, until: formatInstant(until) })))],
    );
  }
}

/** Sets when postings of this transaction are effective from here on; undefined: when they are recorded. */
export async function setEffective(tx: Tx | WriterTx, at: Instant | undefined): Promise<void> {
  await rowsOf(tx, `SELECT set_config('farebox.effective_at', $1, true) AS set`, [
    at === undefined ? '' : formatInstant(at),
  ]);
}
