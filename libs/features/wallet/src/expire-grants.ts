import type { IdSource } from '@core/ids';
import { expireGrant, voidGrant } from '@core/ledger';
import { type Amount, amount } from '@core/money';
import type { Clock, Instant } from '@core/time';
import { cashOf, lapse } from '@core/wallet';
import type { Announcement } from '@core/webhooks';
import { Announce } from '@features/webhooks';
import type { Writer } from '@platform/database';
import { GrantStore } from './grant.store.js';
import type { StoredGrant } from './stored-grant.js';
import { bookedOf } from './void-grant.js';
import { WalletBatch } from './wallet-batch.js';
import { WalletStore } from './wallet.store.js';

/** Most grants ended in one transaction. */
const SWEPT = 500;

/** Books what is over: of expired grants breakage, of void ones what holds gave back since. A sweep over all providers. */
export class ExpireGrants {
  readonly #wallets = new WalletStore();
  readonly #grants = new GrantStore();
  readonly #announce: Announce;

  constructor(
    private readonly writer: Writer,
    private readonly ids: IdSource,
    private readonly clock: Clock,
  ) {
    this.#announce = new Announce(ids);
  }

  /** @returns how many grants something ended of */
  async run(): Promise<number> {
    for (let all = 0; ;) {
      const ended = await this.#sweep();
      all += ended;
      if (ended < SWEPT) return all;
    }
  }

  async #sweep(): Promise<number> {
    const now = this.clock.now();
    return this.writer.transaction(async (tx) => {
      const over = await this.#grants.over(tx, now, SWEPT);
      if (over.length === 0) return 0;
      const batch = new WalletBatch(await this.#wallets.lock(tx, { grants: over.map(({ id }) => id) }, now), this.ids);
      const expired: Announcement<'grant.expired'>[] = [];
      for (const stored of over) {
        const ended = lapse(batch.grant(stored, stored.id), now);
        if (ended.as === 'kept') continue;
        batch.setGrant(stored, ended.grant);
        const value = amount(stored.asset, ended.amount);
        if (ended.as === 'expired') expired.push(expiredOf(stored, value, now));
        batch.post(
          ended.as === 'expired'
            ? expireGrant({ ...bookedOf(stored), value, total: ended.grant.expired })
            : voidGrant({
                ...bookedOf(stored),
                value,
                cash: amount(stored.asset, cashOf(ended.grant, ended.amount)),
                total: ended.grant.voided,
              }),
        );
      }
      const changes = batch.changes();
      if (changes) await this.#wallets.write(tx, changes);
      await this.#announce.all(tx, expired);
      return over.length;
    });
  }
}

/** What holds give back of a grant after it expired is told as well: each time what went then. */
const expiredOf = (
  { id, provider, account }: StoredGrant,
  value: Amount,
  now: Instant,
): Announcement<'grant.expired'> => ({
  provider,
  type: 'grant.expired',
  object: { id, version: now },
  data: { account, asset: value.asset, grant: id, amount: value.atomic.toString() },
});
