import type { Entry } from '@core/ledger';
import { big, type RowColumn, rowColumns } from '@platform/database';
import type { ChannelRow } from './channel-row.js';
import type { ReserveItem } from './decide-reservations.js';

export interface CaptureVoucherItem {
  readonly id: string;
  readonly provider: string;
  /** `chn_…` */
  readonly channel: string;
  readonly charged: bigint;
  readonly quantity: string;
  readonly reply:
    { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string } | undefined;
  readonly entry: Entry;
}

/** The channel just after a capture. */
export interface CapturedVoucher {
  readonly chargedAfter: bigint;
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  readonly withdrawRequestedAt: number | undefined;
  readonly refundNonce: bigint;
}

/** A call that was decided to be let through, and the channel it was decided on. */
interface FreshReservation {
  readonly item: ReserveItem;
  readonly channel: ChannelRow;
}

/** As `capture_vouchers` answers. */
export interface CapturedColumns {
  voucher_id: string;
  written: boolean;
  charged_after: string;
  balance: string;
  total_claimed: string;
  withdraw_requested_at: string | null;
  refund_nonce: string;
}

export const capturedOf = (row: CapturedColumns): CapturedVoucher => ({
  chargedAfter: big(row.charged_after),
  balance: big(row.balance),
  totalClaimed: big(row.total_claimed),
  withdrawRequestedAt: row.withdraw_requested_at === null ? undefined : Number(row.withdraw_requested_at),
  refundNonce: big(row.refund_nonce),
});

const RESERVATIONS: readonly RowColumn<FreshReservation>[] = [
  { kind: 'each', of: ({ item }) => item.id },
  { kind: 'shared', of: ({ item }) => item.provider },
  { kind: 'each', of: ({ channel }) => channel.account },
  { kind: 'each', of: ({ channel }) => channel.id },
  { kind: 'each', of: ({ channel }) => channel.turn },
  { kind: 'each', of: ({ item }) => item.voucher.maxClaimable },
  { kind: 'each', of: ({ item }) => item.voucher.signature.slice(2) },
  { kind: 'shared', of: ({ item }) => item.amount },
  { kind: 'each', of: ({ item }) => item.binding },
  { kind: 'shared', free: true, of: ({ item }) => item.resource },
  { kind: 'optional', free: true, of: ({ item }) => item.attempt },
  { kind: 'shared', of: ({ item }) => item.meterId },
  { kind: 'shared', of: ({ item }) => item.quantity },
  { kind: 'shared', of: ({ item }) => item.priceId },
  { kind: 'optional', of: ({ item }) => item.deposit?.id },
  { kind: 'shared', of: ({ item }) => item.ttlSeconds },
];

/** As `reserve_vouchers` takes them. */
export const reservationColumns = (fresh: readonly FreshReservation[]): string => rowColumns(fresh, RESERVATIONS);

const CAPTURES: readonly RowColumn<CaptureVoucherItem>[] = [
  { kind: 'each', of: ({ id }) => id },
  { kind: 'each', of: ({ channel }) => channel },
  { kind: 'shared', of: ({ provider }) => provider },
  { kind: 'shared', of: ({ charged }) => charged },
  { kind: 'shared', of: ({ quantity }) => quantity },
  { kind: 'optional', of: ({ reply }) => reply?.status },
  { kind: 'optional', of: ({ reply }) => reply && JSON.stringify(reply.headers) },
  { kind: 'optional', of: ({ reply }) => reply?.body },
];

/** As `capture_vouchers` takes them. */
export const captureColumns = (items: readonly CaptureVoucherItem[]): string => rowColumns(items, CAPTURES);
