import { parseAtomic } from '@core/money';
import { z } from 'zod';
import { type ChannelConfig, MAX_UINT128 } from './batch-channel.js';
import { type BatchPayment, batchPaymentOf, channelConfigSchema, configOf } from './batch-payload.js';
import type { X402Error } from './error-codes.js';
import { type Hex, lowerHex } from './hex.js';
import { firstIssue } from './issues.js';
import type { JsonObject } from './strict-json.js';
import { absentOr, addressText, atomicText, bytesText } from './wire-values.js';

// What a server of its own asks a facilitator to carry to the chain. The server has charged, keeps the vouchers and signs for its
// receiver; the facilitator pays the gas.

/** Rows of one claim, as the public server sends them at most. */
const MOST_ROWS = 100;

const uint128Text = atomicText.refine(
  (value) => (parseAtomic(value) ?? 0n) <= MAX_UINT128,
  'expected at most 2^128 - 1',
);

const claimRowSchema = z.object({
  voucher: z.object({ channel: channelConfigSchema, maxClaimableAmount: uint128Text }),
  signature: bytesText,
  totalClaimed: uint128Text,
});

const claimSchema = z.object({
  claims: z.array(claimRowSchema).min(1).max(MOST_ROWS),
  claimAuthorizerSignature: absentOr(bytesText),
});

const settleSchema = z.object({ receiver: addressText, token: addressText });

const refundSchema = z.object({
  amount: uint128Text,
  refundNonce: atomicText,
  claims: z.array(claimRowSchema).max(1),
  refundAuthorizerSignature: absentOr(bytesText),
  claimAuthorizerSignature: absentOr(bytesText),
});

/** One channel of a claim. Its id follows from the config. */
export interface RelayedClaim {
  readonly config: ChannelConfig;
  readonly maxClaimable: bigint;
  readonly signature: Hex;
  /** The running total to claim. */
  readonly totalClaimed: bigint;
}

/** What is to be carried. The authorizer's signatures are the server's; without one there is nothing that the contract would take. */
export type BatchRelay =
  | { readonly type: 'deposit'; readonly payment: Extract<BatchPayment, { type: 'deposit' }> }
  | { readonly type: 'claim'; readonly claims: readonly RelayedClaim[]; readonly signature: Hex | undefined }
  | { readonly type: 'settle'; readonly receiver: Hex; readonly token: Hex }
  | {
      readonly type: 'refund';
      readonly payment: Extract<BatchPayment, { type: 'refund' }>;
      readonly amount: bigint;
      readonly nonce: bigint;
      readonly claim: RelayedClaim | undefined;
      readonly refundSignature: Hex | undefined;
      readonly claimSignature: Hex | undefined;
    };

type BatchRelayReading =
  | { readonly ok: true; readonly relay: BatchRelay }
  | { readonly ok: false; readonly reason: X402Error; readonly message: string };

const refuse = (reason: X402Error, message: string): BatchRelayReading => ({ ok: false, reason, message });

/** Reads what a server of scheme `batch-settlement` wants settled. The scheme is not looked at. */
export function batchRelayOf(paid: { readonly payload: JsonObject }): BatchRelayReading {
  const { payload } = paid;
  switch (payload.type) {
    case 'deposit': {
      const reading = batchPaymentOf(paid);
      if (!reading.ok) return reading;
      const { payment } = reading;
      if (payment.type === 'deposit') return { ok: true, relay: { type: 'deposit', payment } };
      break;
    }
    case 'claim': {
      const parsed = claimSchema.safeParse(payload);
      if (!parsed.success) return refuse('invalid_payload', `payload.${firstIssue(parsed.error)}`);
      const { claims, claimAuthorizerSignature } = parsed.data;
      return {
        ok: true,
        relay: { type: 'claim', claims: claims.map(claimOf), signature: lowered(claimAuthorizerSignature) },
      };
    }
    case 'settle': {
      const parsed = settleSchema.safeParse(payload);
      if (!parsed.success) return refuse('invalid_payload', `payload.${firstIssue(parsed.error)}`);
      return {
        ok: true,
        relay: { type: 'settle', receiver: lowerHex(parsed.data.receiver), token: lowerHex(parsed.data.token) },
      };
    }
    case 'refund':
      return refundOf(paid);
  }
  return refuse(
    'invalid_batch_settlement_evm_payload_type',
    'payload.type: expected deposit, claim, settle or a refund with its nonce',
  );
}

function refundOf(paid: { readonly payload: JsonObject }): BatchRelayReading {
  const reading = batchPaymentOf(paid);
  if (!reading.ok) return reading;
  const { payment } = reading;
  const parsed = refundSchema.safeParse(paid.payload);
  if (!parsed.success || payment.type !== 'refund') {
    const why = parsed.success ? 'type: expected refund' : firstIssue(parsed.error);
    return refuse('invalid_batch_settlement_evm_refund_payload', `payload.${why}`);
  }
  const { data } = parsed;
  const [claim] = data.claims;
  return {
    ok: true,
    relay: {
      type: 'refund',
      payment,
      amount: BigInt(data.amount),
      nonce: BigInt(data.refundNonce),
      claim: claim && claimOf(claim),
      refundSignature: lowered(data.refundAuthorizerSignature),
      claimSignature: lowered(data.claimAuthorizerSignature),
    },
  };
}

const lowered = (text: string | undefined): Hex | undefined => (text === undefined ? undefined : lowerHex(text));

const claimOf = ({ voucher, signature, totalClaimed }: z.output<typeof claimRowSchema>): RelayedClaim => ({
  config: configOf(voucher.channel),
  maxClaimable: BigInt(voucher.maxClaimableAmount),
  signature: lowerHex(signature),
  totalClaimed: BigInt(totalClaimed),
});

/** What the chain shows of a payment's channel and payer. Amounts are atomic units of the channel's token. */
export interface ChannelFunds {
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  /** What the payer holds outside of the channel; looked at for deposits. */
  readonly payerBalance: bigint;
  /** Unix seconds. */
  readonly now: bigint;
}

/** Seconds an authorization must still have when it is looked at, as the protocol has it. */
const SEND_SECONDS = 6n;

/**
 * Why the chain would not carry a payment that is in form and signed for; undefined when it would. A voucher must reach above what
 * was claimed, or nothing could be claimed by it; a refund's may stand at it.
 */
export function fundsProblem(payment: BatchPayment, funds: ChannelFunds): X402Error | undefined {
  const { maxClaimable } = payment.voucher;
  const deposited = payment.type === 'deposit' ? payment.deposit.amount : 0n;
  if (payment.type === 'deposit') {
    const { authorization } = payment.deposit;
    const early = authorization.method === 'eip3009' && authorization.validAfter > funds.now;
    const end = authorization.method === 'eip3009' ? authorization.validBefore : authorization.deadline;
    if (end < funds.now + SEND_SECONDS) return 'invalid_batch_settlement_evm_payload_authorization_valid_before';
    if (early) return 'invalid_batch_settlement_evm_payload_authorization_valid_after';
    if (funds.payerBalance < deposited) return 'invalid_batch_settlement_evm_insufficient_balance';
  } else if (funds.balance === 0n) return 'invalid_batch_settlement_evm_channel_not_found';
  if (maxClaimable > funds.balance + deposited) return 'invalid_batch_settlement_evm_cumulative_exceeds_balance';
  const below = payment.type === 'refund' ? maxClaimable < funds.totalClaimed : maxClaimable <= funds.totalClaimed;
  return below ? 'invalid_batch_settlement_evm_cumulative_below_claimed' : undefined;
}
