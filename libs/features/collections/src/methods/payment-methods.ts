import type { MethodType } from '@core/collections';
import type { Tx, WriterTx } from '@platform/database';

/** A rail that Stripe carries. */
export type StripeRailName = 'card' | 'bank';

/** A stored method that may be charged without its holder. */
export interface UsableMethod {
  /** `pmt_…` */
  readonly id: string;
  readonly rail: StripeRailName;
  /** Stripe's type of it. */
  readonly type: MethodType;
  /** `cus_…`: the account's customer. */
  readonly customer: string;
  /** `pm_…` */
  readonly stripeMethod: string;
}

/** The payment methods of accounts, as collecting needs them. */
export abstract class PaymentMethods {
  /**
   * The active methods of an account on these rails: in the order of the rails, on each rail the default first, then the newest.
   * In the caller's transaction, which may be a provider's own or a writer's.
   */
  abstract usable(
    tx: Tx | WriterTx,
    input: { readonly provider: string; readonly account: string; readonly rails: readonly StripeRailName[] },
  ): Promise<readonly UsableMethod[]>;

  /**
   * The method can never be charged again; announced as `payment_method.dead` once. No-op when it is dead or detached.
   * @param reason Stripe's code in a word, e.g. `account_closed`
   */
  abstract markDead(
    tx: WriterTx,
    input: { readonly provider: string; readonly method: string; readonly reason: string },
  ): Promise<void>;
}
