import type { ChannelStanding, ChannelConfig, Hex, Voucher } from '@core/x402';
import { big } from '@platform/database';

/** A channel as it is kept. Amounts are atomic units. */
export interface ChannelRow {
  /** `chn_…` */
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly channelId: Hex;
  readonly network: string;
  readonly assetId: string;
  readonly config: ChannelConfig;
  readonly charged: bigint;
  readonly signedMax: bigint;
  readonly signature: Hex | undefined;
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  readonly claimedFinal: bigint;
  /** Unix seconds. */
  readonly withdrawRequestedAt: number | undefined;
  readonly refundNonce: bigint;
  /** A refund is under way. */
  readonly refunding: boolean;
  /** Raised by every reservation. */
  readonly turn: bigint;
  /** Seconds since the mirror was last known to be as the chain. */
  readonly mirrorAge: number;
}

export interface ChannelColumns {
  id: string;
  provider_id: string;
  account_id: string;
  channel_id: string;
  network: string;
  asset_id: string;
  payer: Hex;
  payer_authorizer: Hex;
  receiver: Hex;
  receiver_authorizer: Hex;
  token: Hex;
  withdraw_delay: number;
  salt: string;
  charged: string;
  signed_max: string;
  signature: string | null;
  balance: string;
  total_claimed: string;
  claimed_final: string;
  withdraw_requested_at: string | null;
  refund_nonce: string;
  refunding: boolean;
  turn: string;
  mirror_age: number;
}

/** Of `channels c`. A mirror is as old as the last look at the chain's events or at the channel itself, whichever was later. */
export const CHANNEL_COLUMNS = `c.id, c.provider_id, c.account_id, encode(c.channel_id, 'hex') AS channel_id, c.network, c.asset_id, c.payer,
  c.payer_authorizer, c.receiver, c.receiver_authorizer, c.token, c.withdraw_delay, encode(c.salt, 'hex') AS salt, c.charged::text,
  c.signed_max::text, encode(c.signature, 'hex') AS signature, c.balance::text, c.total_claimed::text, c.claimed_final::text,
  c.withdraw_requested_at::text, c.refund_nonce::text,
  c.refund IS NOT NULL AS refunding, c.turn::text,
  extract(epoch FROM now() - greatest(c.synced_at, (SELECT s.scanned_at FROM channel_cursors s WHERE s.chain_id = c.chain_id)))::float8
    AS mirror_age`;

export const channelOf = (row: ChannelColumns): ChannelRow => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  channelId: `0x${row.channel_id}`,
  network: row.network,
  assetId: row.asset_id,
  config: {
    payer: row.payer,
    payerAuthorizer: row.payer_authorizer,
    receiver: row.receiver,
    receiverAuthorizer: row.receiver_authorizer,
    token: row.token,
    withdrawDelay: row.withdraw_delay,
    salt: `0x${row.salt}`,
  },
  charged: big(row.charged),
  signedMax: big(row.signed_max),
  signature: row.signature === null ? undefined : `0x${row.signature}`,
  balance: big(row.balance),
  totalClaimed: big(row.total_claimed),
  claimedFinal: big(row.claimed_final),
  withdrawRequestedAt: row.withdraw_requested_at === null ? undefined : Number(row.withdraw_requested_at),
  refundNonce: big(row.refund_nonce),
  refunding: row.refunding,
  turn: big(row.turn),
  mirrorAge: row.mirror_age,
});

/** The channel in the protocol's words, charged what we charged. */
export const standingOf = (channel: ChannelRow, charged = channel.charged): ChannelStanding => ({
  channelId: channel.channelId,
  balance: channel.balance,
  totalClaimed: channel.totalClaimed,
  withdrawRequestedAt: channel.withdrawRequestedAt,
  refundNonce: channel.refundNonce,
  charged,
});

/** The newest voucher we hold, if there is one. */
export const newestVoucher = (channel: ChannelRow): Voucher | undefined =>
  channel.signature && {
    channelId: channel.channelId,
    maxClaimable: channel.signedMax,
    signature: channel.signature,
  };
