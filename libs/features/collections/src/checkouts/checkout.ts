import type { AssetId } from '@core/money';
import type { Instant } from '@core/time';

export type CheckoutPurpose = 'setup' | 'topup';
export type CheckoutState = 'opening' | 'open' | 'complete' | 'failed' | 'expired';

/** A hosted page of an account. */
export interface StoredCheckout {
  /** `cks_…` */
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly purpose: CheckoutPurpose;
  readonly state: CheckoutState;
  /** What was or is to be sent, JSON text. */
  readonly body: string;
  /** `cs_…`, once Stripe has it. */
  readonly stripeId: string | undefined;
  /** Of a top-up: US cents, and what they buy. */
  readonly bought: { readonly cents: bigint; readonly asset: AssetId; readonly amount: bigint } | undefined;
  readonly grant: string | undefined;
  readonly expiresAt: Instant;
}
