import type { ChannelStanding, Hex } from '@core/x402';
import { big } from '@platform/database';

/** A call paid by a voucher. Amounts are atomic units. */
export interface VoucherRow {
  /** `vch_…` */
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  /** `chn_…` */
  readonly channel: string;
  readonly channelId: Hex;
  readonly state: 'reserved' | 'served' | 'voided';
  readonly ceiling: bigint;
  readonly amount: bigint;
  readonly charged: bigint | undefined;
  readonly chargedAfter: bigint | undefined;
  /** Lower-case hex. */
  readonly binding: string;
  readonly attempt: string | undefined;
  readonly meter: string | undefined;
  readonly quantity: string | undefined;
  readonly priceId: string | undefined;
  readonly network: string;
  readonly asset: string;
  readonly assetId: string;
  readonly payer: Hex;
  /** How far the claims of the channel have come. */
  readonly totalClaimed: bigint;
  readonly claimedFinal: bigint;
  readonly balance: bigint;
  /** Unix seconds. */
  readonly withdrawRequestedAt: number | undefined;
  readonly refundNonce: bigint;
  /** The deposit it came with. */
  readonly deposit: { readonly id: string; readonly transaction: Hex | undefined; readonly amount: bigint } | undefined;
}

export interface VoucherColumns {
  id: string;
  provider_id: string;
  account_id: string;
  channel: string;
  channel_id: string;
  state: VoucherRow['state'];
  ceiling: string;
  amount: string;
  charged: string | null;
  charged_after: string | null;
  binding: string;
  attempt: string | null;
  meter: string | null;
  quantity: string | null;
  price_id: string | null;
  network: string;
  token: string;
  asset_id: string;
  payer: Hex;
  total_claimed: string;
  claimed_final: string;
  balance: string;
  withdraw_requested_at: string | null;
  refund_nonce: string;
  deposit_id: string | null;
  deposit_amount: string | null;
  deposit_transaction: string | null;
}

export const VOUCHER_COLUMNS = `v.id, v.provider_id, v.account_id, v.channel, encode(c.channel_id, 'hex') AS channel_id, v.state,
  v.ceiling::text, v.amount::text, v.charged::text, v.charged_after::text, encode(v.binding, 'hex') AS binding, v.attempt, m.name AS meter,
  v.quantity::text, v.price_id, c.network, c.token, c.asset_id, c.payer, c.total_claimed::text, c.claimed_final::text,
  c.balance::text, c.withdraw_requested_at::text, c.refund_nonce::text, d.id AS deposit_id, d.amount::text AS deposit_amount, encode(d.transaction, 'hex') AS deposit_transaction`;
export const VOUCHER_TABLES = `vouchers v JOIN channels c ON c.id = v.channel LEFT JOIN meters m ON m.id = v.meter_id
  LEFT JOIN payments d ON d.id = v.deposit`;

export const voucherOf = (row: VoucherColumns): VoucherRow => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  channel: row.channel,
  channelId: `0x${row.channel_id}`,
  state: row.state,
  ceiling: big(row.ceiling),
  amount: big(row.amount),
  charged: row.charged === null ? undefined : big(row.charged),
  chargedAfter: row.charged_after === null ? undefined : big(row.charged_after),
  binding: row.binding,
  attempt: row.attempt ?? undefined,
  meter: row.meter ?? undefined,
  quantity: row.quantity ?? undefined,
  priceId: row.price_id ?? undefined,
  network: row.network,
  asset: row.token,
  assetId: row.asset_id,
  payer: row.payer,
  totalClaimed: big(row.total_claimed),
  claimedFinal: big(row.claimed_final),
  balance: big(row.balance),
  withdrawRequestedAt: row.withdraw_requested_at === null ? undefined : Number(row.withdraw_requested_at),
  refundNonce: big(row.refund_nonce),
  deposit:
    row.deposit_id === null || row.deposit_amount === null
      ? undefined
      : {
          id: row.deposit_id,
          amount: big(row.deposit_amount),
          transaction: row.deposit_transaction === null ? undefined : `0x${row.deposit_transaction}`,
        },
});

/** The channel just after a call, in the protocol's words: what it was charged then, and how the mirror has it now. */
export const standingAfter = (voucher: VoucherRow): ChannelStanding => ({
  channelId: voucher.channelId,
  balance: voucher.balance,
  totalClaimed: voucher.totalClaimed,
  withdrawRequestedAt: voucher.withdrawRequestedAt,
  refundNonce: voucher.refundNonce,
  charged: voucher.chargedAfter,
});
