import type { Writer, WriterTx } from '@platform/database';

/** One worker at a time; the number only has to be nobody else's. */
const LOCK = "SELECT pg_advisory_xact_lock(hashtext('farebox.roll_up_balances'))";

/** Adds the transfers after the last roll-up, up to and including $1. */
const ROLL_UP = `
  WITH news AS (
    SELECT id, provider_id, debit_id, credit_id, amount FROM transfers
    WHERE id > (SELECT coalesce(max(through), 0) FROM ledger_balances) AND id <= $1
  ), moved AS (
    SELECT debit_id AS account, provider_id, amount AS debits, 0 AS credits FROM news
    UNION ALL
    SELECT credit_id, provider_id, 0, amount FROM news
  )
  INSERT INTO ledger_balances AS b (ledger_account_id, provider_id, debits, credits, through)
  SELECT account, provider_id, sum(debits), sum(credits), $1 FROM moved GROUP BY account, provider_id ORDER BY account
  ON CONFLICT (ledger_account_id) DO UPDATE SET debits = b.debits + excluded.debits, credits = b.credits + excluded.credits,
    through = excluded.through, updated_at = now()
  RETURNING 1`;

/** The newest transfer that was visible, and a transaction id taken after that was read. */
interface Mark {
  readonly through: string;
  readonly before: string;
}

/**
 * Keeps the stored balances near the end of the ledger. They are a cache: whoever reads a balance adds the transfers after
 * `through`, and throwing all of them away loses nothing.
 *
 * Ids are handed out before they are committed, so the newest visible transfer may still be overtaken by one with a lower id.
 * A mark notes the newest transfer and then takes a transaction id. Whoever holds a lower transfer id has a lower transaction
 * id, too (the trigger `transaction_id_first` sees to that); so once every transaction below the mark's has ended, nothing can
 * appear at or below the mark.
 */
export class RollUpBalances {
  #mark: Mark | undefined;

  constructor(private readonly db: Writer) {}

  /** Rolls up to the last mark if that is safe by now, and sets the next one. Returns how many balances were brought forward. */
  async run(): Promise<number> {
    const mark = this.#mark ?? (await this.#setMark());
    const rolled = await this.db.transaction(async (tx) => {
      await tx.query(LOCK);
      return (await this.#isSafe(tx, mark)) ? (await tx.query(ROLL_UP, [mark.through])).length : undefined;
    });
    this.#mark = rolled === undefined ? mark : undefined;
    return rolled ?? 0;
  }

  /** Makes all stored balances anew from the transfers alone, up to where they were. The numbers come out the same. */
  async rebuild(): Promise<void> {
    await this.db.transaction(async (tx) => {
      await tx.query(LOCK);
      const [row] = await tx.query<{ through: string | null }>(
        'SELECT max(through)::text AS through FROM ledger_balances',
      );
      await tx.query('DELETE FROM ledger_balances');
      if (row?.through) await tx.query(ROLL_UP, [row.through]);
    });
  }

  async #setMark(): Promise<Mark> {
    return this.db.transaction(async (tx) => {
      const [newest] = await tx.query<{ through: string }>(
        'SELECT coalesce(max(id), 0)::text AS through FROM transfers',
      );
      const [own] = await tx.query<{ before: string }>('SELECT pg_current_xact_id()::text AS before');
      return { through: newest?.through ?? '0', before: own?.before ?? '0' };
    });
  }

  async #isSafe(tx: WriterTx, mark: Mark): Promise<boolean> {
    const [row] = await tx.query<{ safe: boolean }>(
      'SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8 AS safe',
      [mark.before],
    );
    return row?.safe ?? false;
  }
}
