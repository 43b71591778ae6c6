import type { AssetId } from '@core/money';
import type { Instant } from '@core/time';
import { type Grant, type Recurrence, remainingOf } from '@core/wallet';

/** A grant as it is kept: what decides, and what is known of it besides. */
export interface StoredGrant extends Grant {
  readonly provider: string;
  /** `acct_…` */
  readonly account: string;
  readonly asset: AssetId;
  /** What paid for it; always there when it is paid. */
  readonly funding: string | undefined;
  readonly reason: string | undefined;
  readonly recurrence: Recurrence | undefined;
  readonly renewsAt: Instant | undefined;
  /** Names the request that issued it. */
  readonly key: string | undefined;
}

/** As `write_wallets` takes it. */
export const grantFields = (grant: Grant) => ({
  id: grant.id,
  held: grant.held.toString(),
  granted: grant.granted.toString(),
  consumed: grant.consumed.toString(),
  expired: grant.expired.toString(),
  voided: grant.voided.toString(),
  refunded: grant.refunded.toString(),
  remaining: remainingOf(grant).toString(),
  isVoid: grant.isVoid,
});
