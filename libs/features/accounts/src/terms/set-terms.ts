import { Fault } from '@core/faults';
import { type AssetId, USD } from '@core/money';
import { type BillingPeriod, type Clock, instant, isZone, type Period, zonedPeriodOf } from '@core/time';
import type { Database, Tx } from '@platform/database';
import { AccountsStore } from '../accounts.store.js';
import type { BillingRailName, PastDueAction, Terms } from './terms.js';
import { TermsStore } from './terms.store.js';

interface TermsToSet {
  readonly provider: string;
  readonly account: string;
  readonly asset: AssetId;
  readonly period: BillingPeriod;
  /** UTC when absent. */
  readonly zone?: string | undefined;
  /** 60 to 604800; 3600 when absent. */
  readonly graceSeconds?: number | undefined;
  /** 0 to 120; 0 when absent. */
  readonly dueDays?: number | undefined;
  readonly rails?: readonly BillingRailName[] | undefined;
  /** `prepaid_only` when absent. */
  readonly pastDue?: PastDueAction | undefined;
}

/** Agrees how an account is billed. Of terms that stand, the period under way ends when it would have; the new ones hold from then on. */
export class SetTerms {
  readonly #accounts = new AccountsStore();
  readonly #store = new TermsStore();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws Fault not_found (`unknown_account`), invalid_request (`unknown_zone`, `asset_is_not_carried`), conflict (`asset_is_fixed`: statements of the account
   *   were issued in another asset)
   */
  async run(input: TermsToSet): Promise<Terms> {
    const { provider, account, asset, period, zone = 'UTC' } = input;
    if (!isZone(zone))
      throw new Fault('invalid_request', `"${zone.slice(0, 64)}" is no zone, such as "Europe/Berlin" or "UTC".`, {
        reason: 'unknown_zone',
      });
    if ((input.rails ?? []).length > 0 && !isCarried(asset))
      throw new Fault(
        'invalid_request',
        'Cards, banks and USDC carry statements in US dollars or USDC only: leave "rails" empty, or bill in one of them.',
        { reason: 'asset_is_not_carried' },
      );
    return this.database.forProvider(provider, async (tx) => {
      await requireTermsAccount(this.#accounts, tx, account);
      const known = await this.#store.of(tx, account);
      const closed = await this.#store.closedUntil(tx, account);
      if (known && known.asset !== asset && closed)
        throw new Fault('conflict', `Statements of this account are in ${known.asset}, and stay so.`, {
          reason: 'asset_is_fixed',
        });
      const now = this.clock.now();
      const terms: Terms = {
        account,
        asset,
        period,
        zone,
        graceSeconds: input.graceSeconds ?? 3_600,
        dueDays: input.dueDays ?? 0,
        rails: input.rails ?? [],
        pastDue: input.pastDue ?? 'prepaid_only',
        standing: known?.standing ?? 'good',
        current: known && closed ? known.current : firstPeriod(zonedPeriodOf(now, period, zone), closed),
        updatedAt: now,
      };
      await this.#store.set(tx, provider, terms);
      return terms;
    });
  }
}

/** At par, whatever the token's chain. */
const isCarried = (asset: AssetId): boolean => asset === USD.id || asset.includes('/erc20:');

/** An account whose books were closed by earlier terms goes on where they end. */
const firstPeriod = (period: Period, closed: Date | undefined): Period =>
  closed && closed.getTime() > period.start ? { start: instant(closed.getTime()), end: period.end } : period;

/** What an account's terms are. */
export class ReadTerms {
  readonly #accounts = new AccountsStore();
  readonly #store = new TermsStore();

  constructor(private readonly database: Database) {}

  /** @throws Fault not_found (`unknown_account`; `no_terms`: it is not billed) */
  async run({ provider, account }: { readonly provider: string; readonly account: string }): Promise<Terms> {
    return this.database.forProvider(provider, async (tx) => {
      await requireTermsAccount(this.#accounts, tx, account);
      const terms = await this.#store.of(tx, account);
      if (!terms)
        throw new Fault(
          'not_found',
          'The account is not billed: it has no terms. PUT /v1/accounts/:id/terms agrees some.',
          {
            reason: 'no_terms',
          },
        );
      return terms;
    });
  }
}

async function requireTermsAccount(accounts: AccountsStore, tx: Tx, account: string): Promise<void> {
  if (await accounts.account(tx, account)) return;
  throw new Fault('not_found', `There is no account "${account.slice(0, 64)}".`, { reason: 'unknown_account' });
}
