import { Fault } from '@core/faults';
import { type AssetId, assetId } from '@core/money';
import { type Instant } from '@core/time';
import { topUpEnded, type TopUpSettings, type TopUpState } from '@core/wallet';
import { at, big, type Database } from '@platform/database';
import { requireAccount } from './issue-grant.js';
import { WalletStore } from './wallet.store.js';

export interface AutoTopUp extends TopUpSettings {
  readonly account: string;
  readonly asset: AssetId;
  /** What is being bought now. */
  readonly pending: bigint | undefined;
  readonly lastAt: Instant | undefined;
  readonly failures: number;
}

interface Row {
  accountId: string;
  asset: string;
  threshold: { toFixed(places?: number): string };
  fixed: { toFixed(places?: number): string } | null;
  upTo: { toFixed(places?: number): string } | null;
  coolOffSeconds: number;
  perDay: number;
  maxFailures: number;
  pending: { toFixed(places?: number): string } | null;
  lastAt: Date | null;
  onThatDay: number;
  failures: number;
}

const viewOf = (row: Row): AutoTopUp => ({
  account: row.accountId,
  asset: assetId(row.asset),
  threshold: big(row.threshold),
  buys: row.fixed === null ? { upTo: big(row.upTo ?? '0') } : { fixed: big(row.fixed) },
  coolOffSeconds: row.coolOffSeconds,
  perDay: row.perDay,
  maxFailures: row.maxFailures,
  pending: row.pending === null ? undefined : big(row.pending),
  lastAt: row.lastAt === null ? undefined : at(row.lastAt),
  failures: row.failures,
});

/**
 * Buying more value when little is left. That it is due is decided with the spend that makes it so and told as an alert
 * `top_up_due`; whoever buys says with `finish` how it ended.
 */
export class AutoTopUps {
  readonly #wallets = new WalletStore();

  constructor(private readonly database: Database) {}

  /**
   * Sets it for an account and asset; failures before are forgotten.
   * @throws Fault not_found (`unknown_account`)
   */
  async set(
    input: { readonly provider: string; readonly account: string; readonly asset: AssetId } & TopUpSettings,
  ): Promise<AutoTopUp> {
    const { provider, account, asset, threshold, buys, coolOffSeconds, perDay, maxFailures } = input;
    return this.database.forProvider(provider, async (tx) => {
      await requireAccount(tx, account);
      await this.#wallets.open(tx, provider, account, asset);
      await this.#wallets.lock(tx, { wallets: [{ account, asset }] });
      const settings = {
        threshold: threshold.toString(),
        fixed: 'fixed' in buys ? buys.fixed.toString() : null,
        upTo: 'upTo' in buys ? buys.upTo.toString() : null,
        coolOffSeconds,
        perDay,
        maxFailures,
        failures: 0,
      };
      const row = await tx.autoTopUp.upsert({
        where: { accountId_asset: { accountId: account, asset } },
        create: { providerId: provider, accountId: account, asset, ...settings },
        update: settings,
      });
      return viewOf(row);
    });
  }

  /** Those of an account. */
  async list({ provider, account }: { readonly provider: string; readonly account: string }): Promise<AutoTopUp[]> {
    return this.database.forProvider(provider, async (tx) => {
      await requireAccount(tx, account);
      const rows = await tx.autoTopUp.findMany({ where: { accountId: account }, orderBy: { asset: 'asc' } });
      return rows.map(viewOf);
    });
  }

  /** Ends it; one under way is not stopped by that. */
  async remove(input: { readonly provider: string; readonly account: string; readonly asset: AssetId }): Promise<void> {
    await this.database.forProvider(input.provider, async (tx) => {
      const { count } = await tx.autoTopUp.deleteMany({ where: { accountId: input.account, asset: input.asset } });
      if (count === 0)
        throw new Fault('not_found', 'The account buys nothing by itself in this asset.', { reason: 'unknown_top_up' });
    });
  }

  /** How the one under way ended. Without one it changes nothing. */
  async finish(input: {
    readonly provider: string;
    readonly account: string;
    readonly asset: AssetId;
    readonly bought: boolean;
  }): Promise<void> {
    const { provider, account, asset } = input;
    await this.database.forProvider(provider, async (tx) => {
      await this.#wallets.lock(tx, { wallets: [{ account, asset }] });
      const row = await tx.autoTopUp.findUnique({ where: { accountId_asset: { accountId: account, asset } } });
      if (!row || row.pending === null) return;
      const state: TopUpState = { pending: true, onThatDay: row.onThatDay, failures: row.failures };
      await tx.autoTopUp.update({
        where: { accountId_asset: { accountId: account, asset } },
        data: { pending: null, failures: topUpEnded(state, input.bought).failures },
      });
    });
  }
}
