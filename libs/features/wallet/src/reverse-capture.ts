import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import { restoreGrants } from '@core/ledger';
import { amount } from '@core/money';
import type { Clock } from '@core/time';
import { lessParts, type Part, reverseCharge } from '@core/wallet';
import { type Database, rowsOf } from '@platform/database';
import { CreditLines } from './credit/credit-lines.js';
import type { StoredHold } from './stored-hold.js';
import { WalletBatch } from './wallet-batch.js';
import { WalletStore } from './wallet.store.js';

interface LineageRow {
  step: number;
  grant_id: string;
  kind: 'use' | 'reversal';
  amount: string;
}

/**
 * Takes the charge of a captured hold back, in part or whole: the grants that gave get it back, the last one first. What is given
 * back to a grant that has ended since ends with it.
 */
export class ReverseCapture {
  readonly #wallets = new WalletStore();
  readonly #lines = new CreditLines();

  /** `clock`: absent, time is the database's. */
  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock?: Clock,
  ) {}

  /**
   * @param input.total all that is to be taken back of the charge, in all: the same again, or less, changes nothing
   * @throws Fault not_found (`unknown_hold`), conflict (`not_captured`, `more_than_charged`)
   */
  async run(input: { readonly provider: string; readonly hold: string; readonly total: bigint }): Promise<StoredHold> {
    return this.database.forProvider(input.provider, async (tx) => {
      const lineage = await rowsOf<LineageRow>(
        tx,
        'SELECT step, grant_id, kind, amount::text FROM grant_consumptions WHERE reference = $1 ORDER BY step',
        [input.hold],
      );
      const grants = [...new Set(lineage.map(({ grant_id }) => grant_id))];
      const batch = new WalletBatch(
        await this.#wallets.lock(tx, { holds: [input.hold], grants }, this.clock?.now()),
        this.ids,
      );
      const hold = batch.hold(input.hold);
      const wallet = hold && batch.wallet(hold);
      if (!hold || !wallet) throw new Fault('not_found', 'There is no such hold.', { reason: 'unknown_hold' });
      if (hold.captured === undefined)
        throw new Fault('conflict', 'Only what was captured can be taken back.', { reason: 'not_captured' });
      if (input.total > hold.captured)
        throw new Fault('conflict', `No more than ${hold.captured} was charged.`, { reason: 'more_than_charged' });
      const back = input.total - hold.reversed;
      if (back <= 0n) return hold;
      // Read again: the lock may have waited for another reversal.
      const given = await rowsOf<LineageRow>(
        tx,
        'SELECT step, grant_id, kind, amount::text FROM grant_consumptions WHERE reference = $1 ORDER BY step',
        [input.hold],
      );
      const parts = (kind: LineageRow['kind']): Part[] =>
        given.flatMap((row) => (row.kind === kind ? [{ grant: row.grant_id, amount: BigInt(row.amount) }] : []));
      const reversed = reverseCharge(
        wallet,
        {
          charged: hold.captured,
          lineage: lessParts(parts('use'), parts('reversal')),
          credit: hold.onCredit,
          counted: hold.counted,
        },
        back,
      );
      batch.setWallet(hold, reversed.wallet);
      batch.addLineage(hold.provider, hold.id, 'reversal', reversed.restored, given.length);
      const after = { ...hold, reversed: input.total, onCredit: hold.onCredit - reversed.credit };
      batch.changeHold(after);
      batch.post(
        restoreGrants({
          provider: hold.provider,
          account: hold.account,
          hold: hold.id,
          total: input.total,
          meter: hold.meter ?? 'unmetered',
          amount: amount(hold.asset, back),
          shares: batch.shares(hold, reversed.restored),
        }),
      );
      const changes = batch.changes();
      if (changes) await this.#wallets.write(tx, changes);
      // A call that was billed is owed by the account's line, and taken off its next statement.
      await this.#lines.add(tx, { account: hold.account, asset: hold.asset, change: -reversed.billed });
      return after;
    });
  }
}
