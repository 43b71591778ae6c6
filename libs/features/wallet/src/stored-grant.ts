import type { AssetId } from '@core/money';
import type { Instant } from '@core/time';
import type { Grant, Recurrence } from '@core/wallet';

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
