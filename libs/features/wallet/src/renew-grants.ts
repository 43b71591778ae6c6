import type { IdSource } from '@core/ids';
import { renewGrant as renewEntry } from '@core/ledger';
import { amount } from '@core/money';
import { type Clock, formatInstant } from '@core/time';
import { hasExpired, nextRenewal, renewGrant } from '@core/wallet';
import type { Writer } from '@platform/database';
import { GrantStore } from './grant.store.js';
import { WalletBatch } from './wallet-batch.js';
import { WalletStore } from './wallet.store.js';

/** Most grants renewed in one transaction. */
const SWEPT = 500;

/**
 * Renews recurring grants whose time has come. A sweep over all providers; one that was late renews once, since renewals fill up and
 * do not add up.
 */
export class RenewGrants {
  readonly #wallets = new WalletStore();
  readonly #grants = new GrantStore();

  constructor(
    private readonly writer: Writer,
    private readonly ids: IdSource,
    private readonly clock: Clock,
  ) {}

  /** @returns how many grants were renewed */
  async run(): Promise<number> {
    for (let all = 0; ;) {
      const { looked, renewed } = await this.#sweep();
      all += renewed;
      if (looked < SWEPT) return all;
    }
  }

  async #sweep(): Promise<{ readonly looked: number; readonly renewed: number }> {
    const now = this.clock.now();
    return this.writer.transaction(async (tx) => {
      const due = await this.#grants.toRenew(tx, now, SWEPT);
      if (due.length === 0) return { looked: 0, renewed: 0 };
      const batch = new WalletBatch(await this.#wallets.lock(tx, { grants: due.map(({ id }) => id) }, now), this.ids);
      let renewed = 0;
      for (const { id } of due) {
        // Read again under the lock: another sweep may have renewed it meanwhile.
        const stored = await this.#grants.find(tx, id);
        const { recurrence, renewsAt } = stored ?? {};
        if (!stored || !recurrence || renewsAt === undefined || renewsAt > now) continue;
        const grant = batch.grant(stored, id);
        const wallet = batch.wallet(stored);
        if (!wallet || grant.isVoid || hasExpired(grant, now)) {
          await this.#grants.setRenewal(tx, id, undefined);
          continue;
        }
        const renewal = renewGrant(grant, recurrence, wallet.owed);
        const paid = renewal.paid === 0n ? [] : [{ grant: id, amount: renewal.paid }];
        batch.setWallet(stored, { ...wallet, owed: wallet.owed - renewal.paid });
        batch.setGrant(stored, renewal.grant);
        const name = formatInstant(renewsAt);
        batch.addLineage(stored.provider, `${id}@${name}`, 'overage', paid);
        batch.post(
          renewEntry({
            provider: stored.provider,
            account: stored.account,
            grant: id,
            renewal: name,
            added: amount(stored.asset, renewal.added),
            dropped: amount(stored.asset, renewal.dropped),
            paid: amount(stored.asset, renewal.paid),
          }),
        );
        await this.#grants.setRenewal(tx, id, nextRenewal(grant.effectiveAt, recurrence, now));
        renewed += 1;
      }
      const changes = batch.changes();
      if (changes) await this.#wallets.write(tx, changes);
      return { looked: due.length, renewed };
    });
  }
}
