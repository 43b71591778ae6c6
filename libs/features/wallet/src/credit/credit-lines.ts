import type { AssetId } from '@core/money';
import { type AccountStanding, Standing } from '@features/accounts';
import { rowsOf, type Tx, type WriterTx } from '@platform/database';

interface LineChange {
  readonly account: string;
  readonly asset: AssetId;
  /** Atomic units; positive owes more. */
  readonly change: bigint;
}

/**
 * What an account owes beside its calls on credit: rated usage and statements. Whoever posts to its receivables says so here, in the
 * same transaction.
 */
export class CreditLines {
  /** Nothing happens for an account without a line. */
  async add(tx: Tx | WriterTx, { account, asset, change }: LineChange): Promise<void> {
    if (change === 0n) return;
    await rowsOf(tx, 'SELECT change_due($1, $2, $3::numeric) AS has_line', [account, asset, change.toString()]);
  }

  /** Whether anything may still be had on credit, whatever is left of the account's lines. */
  async restrict(tx: Tx | WriterTx, account: string, restricted: boolean): Promise<void> {
    await rowsOf(
      tx,
      `WITH line AS (
         UPDATE credit_lines SET restricted = $2, updated_at = now() WHERE account_id = $1 AND restricted IS DISTINCT FROM $2
         RETURNING account_id, asset
       )
       SELECT change_due(account_id, asset, 0) FROM line`,
      [account, restricted],
    );
  }
}

/** What becomes of an account that does not pay, and of one that does again. */
export class PastDue {
  readonly #standing = new Standing();
  readonly #lines = new CreditLines();

  /** Undefined for an account without terms. */
  async apply(tx: Tx, account: string): Promise<AccountStanding | undefined> {
    const standing = await this.#standing.lower(tx, account);
    if (standing === 'prepaid_only' || standing === 'suspended') await this.#lines.restrict(tx, account, true);
    return standing;
  }

  async lift(tx: Tx, account: string): Promise<void> {
    await this.#standing.restore(tx, account);
    await this.#lines.restrict(tx, account, false);
  }
}
