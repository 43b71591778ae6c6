import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import type { AssetId } from '@core/money';
import type { Clock, Instant } from '@core/time';
import type { AffectedUsage, Backfills } from '@features/metering';
import type { Database, Tx } from '@platform/database';
import { AccountRating } from './account-rating.js';
import { ChargeStore } from './charge.store.js';
import { RatingStore } from './rating.store.js';

/** What an account's charges come to in one asset, without a backfill and with it; atomic units. */
interface MoneyChange {
  /** `acct_…` */
  readonly account: string;
  readonly asset: AssetId;
  readonly decimals: number;
  readonly before: bigint;
  readonly after: bigint;
}

/** Usage a backfill concerns that cannot be rated, before or after it. */
interface PreviewProblem {
  readonly account: string;
  /** `mtr_…`; '' for what the account owes without a meter. */
  readonly meter: string;
  readonly problem: string;
}

export interface BackfillPreview {
  /** One for each account and asset whose charges would differ. */
  readonly changes: readonly MoneyChange[];
  readonly problems: readonly PreviewProblem[];
}

/** Carries the answer out of the transaction that must not be committed. */
class RolledBack extends Error {
  constructor(readonly preview: BackfillPreview) {
    super('a preview leaves no trace');
  }
}

/** What a backfill would change in money: it is applied and rated in a transaction that is rolled back. */
export class PreviewBackfill {
  readonly #charges = new ChargeStore();
  readonly #store = new RatingStore();
  readonly #rating: AccountRating;

  constructor(
    private readonly database: Database,
    private readonly backfills: Pick<Backfills, 'within'>,
    private readonly clock: Clock,
    ids: IdSource,
  ) {
    this.#rating = new AccountRating(ids);
  }

  /** @param input.backfill `bkf_…` */
  async run(input: { readonly provider: string; readonly backfill: string }): Promise<BackfillPreview> {
    try {
      return await this.database.forProvider(input.provider, async (tx) => {
        throw new RolledBack(await this.#preview(tx, input.provider, input.backfill));
      });
    } catch (error) {
      if (error instanceof RolledBack) return error.preview;
      throw error;
    }
  }

  async #preview(tx: Tx, provider: string, backfill: string): Promise<BackfillPreview> {
    const now = this.clock.now();
    await this.#store.lockPeriods(tx, provider, 'shared');
    // Whom it concerns is known once it is applied; what they owe without it has to be rated before that.
    await tx.$executeRaw`SAVEPOINT untouched`;
    const affected = await this.backfills.within(tx, backfill, (some) => Promise.resolve([...some]));
    await tx.$executeRaw`ROLLBACK TO SAVEPOINT untouched`;
    const accounts = [...new Set(affected.map(({ account }) => account))];
    const problems = new Map<string, PreviewProblem>();
    await this.#rate(tx, provider, affected, now, problems);
    const before = await this.#charges.totals(tx, accounts);
    await this.backfills.within(tx, backfill, (some) => this.#rate(tx, provider, some, now, problems));
    const after = await this.#charges.totals(tx, accounts);
    const changes = after.flatMap(({ account, asset, decimals, atomic }): MoneyChange[] => {
      const was = before.find((one) => one.account === account && one.asset === asset)?.atomic ?? 0n;
      return was === atomic ? [] : [{ account, asset, decimals, before: was, after: atomic }];
    });
    return { changes, problems: [...problems.values()] };
  }

  async #rate(
    tx: Tx,
    provider: string,
    affected: readonly AffectedUsage[],
    now: Instant,
    problems: Map<string, PreviewProblem>,
  ): Promise<void> {
    const planned = new Map<string, Instant>();
    for (const { account, meter, since } of affected) {
      const planSince = await this.#one(tx, { provider, account, meter }, since, now, problems);
      const known = planned.get(account);
      if (planSince !== undefined && (known === undefined || planSince < known)) planned.set(account, planSince);
    }
    for (const [account, since] of planned) await this.#one(tx, { provider, account, meter: '' }, since, now, problems);
  }

  async #one(
    tx: Tx,
    key: { readonly provider: string; readonly account: string; readonly meter: string },
    since: Instant,
    now: Instant,
    problems: Map<string, PreviewProblem>,
  ): Promise<Instant | undefined> {
    try {
      await this.#store.lockUsage(tx, key);
      return (await this.#rating.run(tx, key, since, now)).planSince;
    } catch (error) {
      // Prices are reckoned before anything is written, so the transaction goes on.
      if (!(error instanceof Fault) || error.code !== 'unprocessable') throw error;
      problems.set(`${key.account} ${key.meter}`, { account: key.account, meter: key.meter, problem: error.message });
      return undefined;
    }
  }
}
