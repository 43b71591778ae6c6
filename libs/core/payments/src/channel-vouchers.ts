import type { X402Error } from '@core/x402';

/** A channel as a call finds it: what we charged and hold signed, and how the chain has it. Amounts are atomic units. */
export interface ChannelAccount {
  readonly charged: bigint;
  /** The highest ceiling that was signed. */
  readonly signedMax: bigint;
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  /** The payer has announced a withdrawal, or asked for what is left: nothing more is sold on this channel. */
  readonly leaving: boolean;
}

/** A call that was let through and is not charged yet. */
export interface OpenCall {
  readonly ceiling: bigint;
  /** The most it may be charged. */
  readonly amount: bigint;
}

/** A call that comes with a voucher. */
interface VoucherCall extends OpenCall {
  /** What calls with a higher ceiling were charged of late: they were signed after this one, and overtook it. */
  readonly chargedAbove: bigint;
  /** Its ceiling pays for another call already. */
  readonly taken: boolean;
}

/**
 * reserve: let it through · wait: the ceiling does not fit while other calls are open, and may when they end · correct: the
 * payer's idea of the channel is not ours, and gets ours · refuse: for good.
 */
export type VoucherDecision =
  | { readonly kind: 'reserve' }
  | { readonly kind: 'wait' | 'correct'; readonly reason: X402Error }
  | { readonly kind: 'refuse'; readonly reason: X402Error | 'channel_is_closing' };

const MISMATCH: X402Error = 'invalid_batch_settlement_evm_cumulative_amount_mismatch';

/**
 * Whether a voucher pays for a call. A ceiling is the total charged so far plus what the call may cost. A payer with several calls
 * on their way signs ahead: each ceiling is above the one before, and they arrive in any order. So a ceiling has to cover what was
 * signed before it (charges, less those that overtook it, and the open calls below it) and the call itself; the highest ceiling has
 * to cover everything; and one ceiling pays for one call.
 */
export function decideVoucher(call: VoucherCall, channel: ChannelAccount, open: readonly OpenCall[]): VoucherDecision {
  const mismatch = { kind: open.length > 0 ? 'wait' : 'correct', reason: MISMATCH } as const;
  if (call.taken || call.ceiling < neededFor(call, channel, open)) return mismatch;
  if (highest(call, channel) < total(channel, open) + call.amount) return mismatch;
  if (channel.leaving) return { kind: 'refuse', reason: 'channel_is_closing' };
  if (call.ceiling > channel.balance) {
    return { kind: 'refuse', reason: 'invalid_batch_settlement_evm_cumulative_exceeds_balance' };
  }
  if (call.ceiling <= channel.totalClaimed) {
    return { kind: 'correct', reason: 'invalid_batch_settlement_evm_cumulative_below_claimed' };
  }
  return { kind: 'reserve' };
}

const neededFor = (call: VoucherCall, channel: ChannelAccount, open: readonly OpenCall[]): bigint =>
  open.reduce(
    (sum, { ceiling, amount }) => (ceiling < call.ceiling ? sum + amount : sum),
    channel.charged - call.chargedAbove + call.amount,
  );

const highest = ({ ceiling }: OpenCall, { signedMax }: ChannelAccount): bigint =>
  ceiling > signedMax ? ceiling : signedMax;

const total = ({ charged }: ChannelAccount, open: readonly OpenCall[]): bigint =>
  open.reduce((sum, { amount }) => sum + amount, charged);

/**
 * How old a mirror of a chain may be for vouchers to be judged by it, in seconds: a third of the withdraw delay, between half a
 * minute and five minutes (the public server's rule), as a withdrawal not seen in time takes the value away.
 */
export const mirrorSeconds = (withdrawDelay: number): number =>
  Math.min(300, Math.max(30, Math.floor(withdrawDelay / 3)));

/** Calls that a deposit should be good for: what offers suggest, as the public server does. */
const CALLS_SUGGESTED = 10n;
/** Calls that it must be good for: the least a public client with a spending limit puts in. */
const CALLS_LEAST = 3n;

export const minDeposit = (amount: bigint): bigint => amount * CALLS_SUGGESTED;

export const leastDeposit = (amount: bigint): bigint => amount * CALLS_LEAST;
