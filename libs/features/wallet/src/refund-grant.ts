import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { refundGrant as refundEntry } from '@core/ledger';
import { amount } from '@core/money';
import type { Clock } from '@core/time';
import { refundGrant } from '@core/wallet';
import { big, type Database } from '@platform/database';
import { GrantStore } from './grant.store.js';
import type { StoredGrant } from './stored-grant.js';
import { requireGrant, unknownGrant } from './void-grant.js';
import { WalletBatch } from './wallet-batch.js';
import { WalletStore } from './wallet.store.js';

/** Money that goes back for unused value. */
export interface OwedRefund {
  /** `rfd_…` */
  readonly id: string;
  readonly grant: StoredGrant;
  /** Value taken from the grant, and what is owed for it. */
  readonly value: bigint;
  readonly cash: bigint;
}

const WHY = {
  not_paid: 'Only paid value can be refunded.',
  ended: 'Nothing is left of the grant to refund.',
  too_much: 'A refund is of more than nothing and of at most what is left of the grant and not held.',
} as const;

/** Takes unused paid value back and owes the money for it. Sending it is another step. */
export class RefundGrant {
  readonly #wallets = new WalletStore();
  readonly #grants = new GrantStore();

  /** `clock`: absent, time is the database's. */
  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock?: Clock,
  ) {}

  /**
   * @param input.amount of value; absent: all that is left and not held
   * @param input.key names the request: the same again refunds nothing more
   * @throws Fault not_found (`unknown_grant`), conflict (`not_refundable`, `refund_exists`)
   */
  async run(input: {
    readonly provider: string;
    readonly grant: string;
    readonly amount?: bigint | undefined;
    readonly key?: string | undefined;
  }): Promise<{ readonly outcome: 'owed' | 'exists'; readonly refund: OwedRefund }> {
    return this.database.forProvider(input.provider, async (tx) => {
      const batch = new WalletBatch(
        await this.#wallets.lock(tx, { grants: [input.grant] }, this.clock?.now()),
        this.ids,
      );
      const stored = await requireGrant(tx, this.#grants, input.grant);
      if (!batch.wallet(stored)) throw unknownGrant(input.grant);
      const before =
        input.key === undefined ? null : await tx.refund.findFirst({ where: { grantId: stored.id, key: input.key } });
      if (before) {
        if (input.amount !== undefined && big(before.value) !== input.amount)
          throw new Fault('conflict', 'This key has refunded another amount.', { reason: 'refund_exists' });
        return {
          outcome: 'exists' as const,
          refund: { id: before.id, grant: stored, value: big(before.value), cash: big(before.cash) },
        };
      }
      const refunded = refundGrant(batch.grant(stored, stored.id), input.amount, batch.at);
      if (refunded.outcome === 'refused') throw new Fault('conflict', WHY[refunded.why], { reason: 'not_refundable' });
      const id = this.ids.next(ID_PREFIXES.refund);
      batch.setGrant(stored, refunded.grant);
      const { provider, account, asset } = stored;
      const value = amount(asset, refunded.amount);
      const cash = amount(asset, refunded.cash);
      batch.post(refundEntry({ provider, account, grant: stored.id, refund: id, value, cash }));
      const changes = batch.changes();
      if (changes) await this.#wallets.write(tx, changes);
      await tx.refund.create({
        data: {
          id,
          providerId: provider,
          accountId: account,
          asset,
          grantId: stored.id,
          value: refunded.amount.toString(),
          cash: refunded.cash.toString(),
          key: input.key ?? null,
          createdAt: new Date(batch.at),
        },
      });
      const grant = { ...stored, ...refunded.grant };
      return { outcome: 'owed' as const, refund: { id, grant, value: refunded.amount, cash: refunded.cash } };
    });
  }
}
