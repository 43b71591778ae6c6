import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import { voidGrant as voidEntry } from '@core/ledger';
import { amount } from '@core/money';
import type { Clock } from '@core/time';
import { cashOf, voidGrant } from '@core/wallet';
import type { Database, Tx } from '@platform/database';
import { GrantStore } from './grant.store.js';
import type { StoredGrant } from './stored-grant.js';
import { WalletBatch } from './wallet-batch.js';
import { WalletStore } from './wallet.store.js';

/** Takes away what is left of a grant. What open holds have set aside of it goes when they give it back. */
export class VoidGrant {
  readonly #wallets = new WalletStore();
  readonly #grants = new GrantStore();

  /** `clock`: absent, time is the database's. */
  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock?: Clock,
  ) {}

  /**
   * @returns `unchanged` when it was void before
   * @throws Fault not_found (`unknown_grant`), conflict (`grant_ended`) when nothing is left of it
   */
  async run(input: {
    readonly provider: string;
    readonly grant: string;
  }): Promise<{ readonly outcome: 'voided' | 'unchanged'; readonly grant: StoredGrant }> {
    return this.database.forProvider(input.provider, async (tx) => {
      const batch = new WalletBatch(
        await this.#wallets.lock(tx, { grants: [input.grant] }, this.clock?.now()),
        this.ids,
      );
      const stored = await requireGrant(tx, this.#grants, input.grant);
      const wallet = batch.wallet(stored);
      if (!wallet) throw unknownGrant(input.grant);
      const voided = voidGrant(batch.grant(stored, input.grant), batch.at);
      switch (voided.outcome) {
        case 'unchanged':
          return { outcome: 'unchanged' as const, grant: stored };
        case 'ended':
          throw new Fault('conflict', `Nothing is left of the grant to void: it is ${voided.why}.`, {
            reason: 'grant_ended',
          });
        case 'voided': {
          const { grant } = voided;
          batch.setGrant(stored, grant);
          batch.post(
            voidEntry({
              ...bookedOf(stored),
              value: amount(stored.asset, voided.amount),
              cash: amount(stored.asset, cashOf(grant, voided.amount)),
              total: grant.voided,
            }),
          );
          const changes = batch.changes();
          if (changes) await this.#wallets.write(tx, changes);
          return { outcome: 'voided' as const, grant: { ...stored, ...grant } };
        }
      }
    });
  }
}

export const bookedOf = ({ provider, account, id, kind }: StoredGrant) => ({
  provider,
  account,
  grant: id,
  isPaid: kind === 'paid',
});

export const unknownGrant = (grant: string): Fault =>
  new Fault('not_found', `There is no grant "${grant.slice(0, 64)}".`, { reason: 'unknown_grant' });

/** @throws Fault not_found (`unknown_grant`) */
export async function requireGrant(tx: Tx, grants: GrantStore, id: string): Promise<StoredGrant> {
  const stored = await grants.find(tx, id);
  if (!stored) throw unknownGrant(id);
  return stored;
}
