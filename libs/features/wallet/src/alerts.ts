import { Fault } from '@core/faults';
import { type AssetId, assetId } from '@core/money';
import type { Instant } from '@core/time';
import { at, type Database } from '@platform/database';
import { requireAccount } from './issue-grant.js';
import { WalletStore } from './wallet.store.js';

export const ALERT_KINDS = ['balance_low', 'limit_reached', 'top_up_due'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** What was told about a wallet, once per crossing. */
export interface RaisedAlert {
  /** `alt_…` */
  readonly id: string;
  readonly account: string;
  readonly asset: AssetId;
  readonly kind: AlertKind;
  /** Amounts as decimal strings: threshold and value; of a limit its id, percentage and window; of a top-up its amount. */
  readonly details: unknown;
  readonly raisedAt: Instant;
}

/** What a wallet has to tell. */
export class WalletAlerts {
  readonly #wallets = new WalletStore();

  constructor(private readonly database: Database) {}

  /**
   * Of an account, newest first.
   * @throws Fault not_found (`unknown_account`)
   */
  async list(input: {
    readonly provider: string;
    readonly account: string;
    readonly limit: number;
    readonly before?: string | undefined;
  }): Promise<RaisedAlert[]> {
    return this.database.forProvider(input.provider, async (tx) => {
      await requireAccount(tx, input.account);
      const rows = await tx.walletAlert.findMany({
        where: { accountId: input.account, ...(input.before === undefined ? {} : { id: { lt: input.before } }) },
        orderBy: { id: 'desc' },
        take: input.limit,
      });
      return rows.map((row) => ({
        id: row.id,
        account: row.accountId,
        asset: assetId(row.asset),
        kind: readKind(row.kind),
        details: row.details,
        raisedAt: at(row.raisedAt),
      }));
    });
  }

  /**
   * Sets the balances at which an account's wallet raises an alert, in place of those before.
   * @throws Fault not_found (`unknown_account`)
   */
  async setThresholds(input: {
    readonly provider: string;
    readonly account: string;
    readonly asset: AssetId;
    readonly below: readonly bigint[];
  }): Promise<void> {
    const { provider, account, asset, below } = input;
    await this.database.forProvider(provider, async (tx) => {
      await requireAccount(tx, account);
      await this.#wallets.open(tx, provider, account, asset);
      await tx.wallet.update({
        where: { accountId_asset: { accountId: account, asset } },
        data: { alertBelow: [...new Set(below)].map(String) },
      });
    });
  }
}

function readKind(text: string): AlertKind {
  const kind = ALERT_KINDS.find((one) => one === text);
  if (!kind) throw new Fault('invariant_broken', `"${text}" is no kind of alert`);
  return kind;
}
