import { type AssetId, assetId } from '@core/money';
import type { Clock } from '@core/time';
import { availableFor, creditLeft, EMPTY_WALLET, inBurnOrder, remainingOf } from '@core/wallet';
import { big, type Database } from '@platform/database';
import { GrantStore } from './grant.store.js';
import type { StoredGrant } from './stored-grant.js';
import { requireAccount } from './issue-grant.js';
import { LimitReader, type UsedLimit } from './limits.js';

/** What an account has in one asset. */
export interface Balance {
  readonly asset: AssetId;
  /** All that its grants have left, less what is owed. */
  readonly posted: bigint;
  readonly held: bigint;
  /** What any call could have now: what is in force, not held, and not for some meters only; with the credit that is left. */
  readonly available: bigint;
  readonly owed: bigint;
  readonly creditLimit: bigint;
  /** Raises an alert when the balance falls to one of these. */
  readonly alertBelow: readonly bigint[];
  /** With something left, in the order in which they are spent. */
  readonly grants: readonly StoredGrant[];
}

export interface WalletView {
  readonly account: string;
  readonly balances: readonly Balance[];
  readonly limits: readonly UsedLimit[];
}

/** What an account has, and what bounds its spending. */
export class ReadWallet {
  readonly #grants = new GrantStore();
  readonly #limits = new LimitReader();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault not_found (`unknown_account`) */
  async run({ provider, account }: { readonly provider: string; readonly account: string }): Promise<WalletView> {
    const now = this.clock.now();
    return this.database.forProvider(provider, async (tx) => {
      await requireAccount(tx, account);
      const rows = await tx.wallet.findMany({ where: { accountId: account }, orderBy: { asset: 'asc' } });
      // Grants are read last and in one statement: balance and holds follow from them, so that they agree.
      const grants = (await this.#grants.left(tx, account)).sort(inBurnOrder);
      const balances = rows.map((row): Balance => {
        const own = grants.filter(({ asset }) => asset === row.asset);
        const owed = big(row.owed);
        const creditHeld = big(row.creditHeld);
        const wallet = { ...EMPTY_WALLET, grants: own, creditLimit: big(row.creditLimit), owed, creditHeld };
        return {
          asset: assetId(row.asset),
          posted: own.reduce((sum, grant) => sum + remainingOf(grant), -owed),
          held: own.reduce((sum, grant) => sum + grant.held, creditHeld),
          available: own.length === 0 ? creditLeft(wallet) : availableFor(wallet, undefined, now),
          owed,
          creditLimit: wallet.creditLimit,
          alertBelow: row.alertBelow.map(big),
          grants: own,
        };
      });
      return { account, balances, limits: await this.#limits.of(tx, account, now) };
    });
  }
}
