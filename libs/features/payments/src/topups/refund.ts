import type { PaymentState } from '@core/payments';
import type { Instant } from '@core/time';
import type { Hex } from '@core/x402';

export const REFUND_STATES = ['owed', 'sending', 'paid', 'cancelled'] as const;
export type RefundState = (typeof REFUND_STATES)[number];

/** Unused value that goes back, and where it stands. Amounts in atomic units. */
export interface Refund {
  /** `rfd_…` */
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly asset: string;
  readonly grant: string;
  /** Value taken from the grant, and what is paid for it. */
  readonly value: bigint;
  readonly cash: bigint;
  readonly state: RefundState;
  /** How many payments of it were proven failed, and why the last one was. */
  readonly attempt: number;
  readonly reason: string | undefined;
  readonly payment: string | undefined;
  readonly transaction: Hex | undefined;
  /** The wallet that paid for the value, and where its payment stands; undefined for value that was not bought on the chain. */
  readonly bought: { readonly payer: Hex; readonly state: PaymentState } | undefined;
  readonly createdAt: Instant;
  readonly endedAt: Instant | undefined;
}
