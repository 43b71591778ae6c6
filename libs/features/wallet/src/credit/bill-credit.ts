import type { AssetId } from '@core/money';
import type { WriterTx } from '@platform/database';

interface CallsToBill {
  readonly account: string;
  readonly asset: AssetId;
  /** What calls on credit came to after the period that is billed, less what was taken back or paid of them: stays unbilled. Atomic units. */
  readonly later: bigint;
}

/**
 * Calls on credit that were billed are owed by the account's line from then on, and by its wallet no longer: what both say together, and
 * what may still be spent, stays what it was. Wallets are locked as by all that changes them, in order; set-based, so for thousands at once.
 */
export class BillCredit {
  /** @returns how many wallets had such calls */
  async all(tx: WriterTx, calls: readonly CallsToBill[]): Promise<number> {
    if (calls.length === 0) return 0;
    const items = calls.map(({ account, asset, later }) => ({ account, asset, later: later.toString() }));
    const [row] = await tx.query<{ billed: number }>('SELECT bill_owed($1::jsonb) AS billed', [JSON.stringify(items)]);
    return row?.billed ?? 0;
  }
}
