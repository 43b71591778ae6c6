import type { Voucher } from './batch-channel.js';
import type { Hex } from './hex.js';
import type { JsonObject } from './strict-json.js';

/**
 * A channel as the server reports it, in the `extra` of corrective offers and of settlement responses. Amounts are atomic units,
 * decimal digits.
 */
interface ChannelStateText {
  readonly channelId: Hex;
  readonly balance: string;
  readonly totalClaimed: string;
  /** Unix seconds of a pending withdrawal's announcement; 0 when there is none. */
  readonly withdrawRequestedAt: number;
  readonly refundNonce: string;
  readonly chargedCumulativeAmount?: string;
}

/** The newest voucher the server holds, by which the payer knows its own signature again. */
interface VoucherStateText {
  readonly signedMaxClaimable: string;
  readonly signature: Hex;
}

/** What is known of a channel, on the chain and, in `charged`, with us. Amounts are atomic units. */
export interface ChannelStanding {
  readonly channelId: Hex;
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  /** Unix seconds; undefined when no withdrawal is pending. */
  readonly withdrawRequestedAt: number | undefined;
  readonly refundNonce: bigint;
  readonly charged: bigint | undefined;
}

export const channelStateOf = (standing: ChannelStanding): ChannelStateText => ({
  channelId: standing.channelId,
  balance: standing.balance.toString(),
  totalClaimed: standing.totalClaimed.toString(),
  withdrawRequestedAt: standing.withdrawRequestedAt ?? 0,
  refundNonce: standing.refundNonce.toString(),
  ...(standing.charged === undefined ? {} : { chargedCumulativeAmount: standing.charged.toString() }),
});

const voucherStateOf = ({ maxClaimable, signature }: Voucher): VoucherStateText => ({
  signedMaxClaimable: maxClaimable.toString(),
  signature,
});

/**
 * `extra` of the offer that corrects a payer whose ceiling is not what we charged so far. The public client adopts it when the
 * voucher carries its own signature, or, without a voucher, falls back to what the chain says.
 */
export const correctiveExtra = (
  extra: JsonObject,
  standing: ChannelStanding,
  newest: Voucher | undefined,
): JsonObject => ({
  ...extra,
  channelState: channelStateOf(standing),
  ...(newest === undefined ? {} : { voucherState: voucherStateOf(newest) }),
});

/** `extra` of the answer to a paid request: what it cost and where the channel stands after it. */
export const paidByVoucherExtra = (chargedAmount: bigint, standing: ChannelStanding): JsonObject => ({
  chargedAmount: chargedAmount.toString(),
  channelState: channelStateOf(standing),
});
