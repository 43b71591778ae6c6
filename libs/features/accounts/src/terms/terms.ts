import type { AssetId } from '@core/money';
import type { BillingPeriod, Instant, Period } from '@core/time';

/** How a statement is paid: by card, by a debit of a bank account, or in USDC. */
export const BILLING_RAILS = ['card', 'bank', 'usdc'] as const;
export type BillingRailName = (typeof BILLING_RAILS)[number];

/** What happens to an account that is past due. */
export const PAST_DUE = ['warn', 'prepaid_only', 'suspend'] as const;
export type PastDueAction = (typeof PAST_DUE)[number];

export const STANDINGS = ['good', 'warned', 'prepaid_only', 'suspended'] as const;
export type AccountStanding = (typeof STANDINGS)[number];

/** How an account is billed. */
export interface Terms {
  readonly account: string;
  /** What its statements are in. */
  readonly asset: AssetId;
  readonly period: BillingPeriod;
  /** Of the IANA database: its calendar cuts the periods. */
  readonly zone: string;
  /** After a period's end, how long usage of it is still waited for. */
  readonly graceSeconds: number;
  /** Days from issue until a statement is due. */
  readonly dueDays: number;
  /** Tried in this order; none: the account pays its statements itself. */
  readonly rails: readonly BillingRailName[];
  readonly pastDue: PastDueAction;
  readonly standing: AccountStanding;
  /** The period under way. */
  readonly current: Period;
  readonly updatedAt: Instant;
}
