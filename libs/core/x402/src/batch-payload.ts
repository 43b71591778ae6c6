import { parseAtomic } from '@core/money';
import { z } from 'zod';
import { type ChannelConfig, MAX_UINT128, type Voucher } from './batch-channel.js';
import type { X402Error } from './error-codes.js';
import { BYTES32_FORM, type Hex, lowerHex } from './hex.js';
import { firstIssue } from './issues.js';
import { type Permit2Authorization, permit2AuthorizationOf, permit2DepositSchema } from './permit2.js';
import type { JsonObject } from './strict-json.js';
import { absentOr, addressText, atomicText, bytes32Text, bytesText } from './wire-values.js';

const UINT40 = 2 ** 40 - 1;

const uint128Text = z
  .string()
  .refine((value) => (parseAtomic(value) ?? MAX_UINT128 + 1n) <= MAX_UINT128, 'expected an integer from 0 to 2^128 - 1')
  .meta({ pattern: '^(?:0|[1-9][0-9]{0,38})$' });

export const channelConfigSchema = z.object({
  payer: addressText,
  payerAuthorizer: addressText,
  receiver: addressText,
  receiverAuthorizer: addressText,
  token: addressText,
  withdrawDelay: z.number().int().min(0).max(UINT40),
  salt: bytes32Text,
});

const voucherSchema = z.object({
  channelId: bytes32Text,
  maxClaimableAmount: uint128Text,
  signature: bytesText,
});

const erc3009Schema = z.object({
  /** Unix seconds. */
  validAfter: atomicText,
  /** Unix seconds. */
  validBefore: atomicText,
  salt: bytes32Text,
  signature: bytesText,
});

const commonFields = { channelConfig: channelConfigSchema, voucher: voucherSchema };

const depositFields = z.object({
  amount: uint128Text.refine((value) => value !== '0', 'expected more than nothing'),
  authorization: z.object({
    erc3009Authorization: absentOr(erc3009Schema),
    permit2Authorization: absentOr(permit2DepositSchema),
  }),
});

/** The three things a payer of scheme `batch-settlement` sends. */
const batchPayloadSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('deposit'), ...commonFields, deposit: depositFields }),
  z.object({ type: z.literal('voucher'), ...commonFields }),
  z.object({ type: z.literal('refund'), ...commonFields, amount: absentOr(uint128Text) }),
]);

/**
 * The payer's leave to pull a deposit once, by EIP-3009 `ReceiveWithAuthorization`. It names neither payer nor amount nor nonce:
 * those follow from the channel, the deposit and the salt.
 */
export interface Erc3009Deposit {
  readonly method: 'eip3009';
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly salt: Hex;
  readonly signature: Hex;
}

/** The same by Permit2, with the channel id as its witness. */
interface Permit2Deposit extends Permit2Authorization {
  readonly method: 'permit2';
  readonly channelId: Hex;
}

export interface ChannelDeposit {
  /** Atomic units, more than zero. */
  readonly amount: bigint;
  readonly authorization: Erc3009Deposit | Permit2Deposit;
}

/**
 * A payload of the scheme, checked in form only. In a deposit and a voucher the ceiling is what was charged so far plus the
 * offer's amount; in a refund it is what was charged, and without an amount all that is left is asked back.
 */
export type BatchPayment = { readonly config: ChannelConfig; readonly voucher: Voucher } & (
  | { readonly type: 'deposit'; readonly deposit: ChannelDeposit }
  | { readonly type: 'voucher' }
  | { readonly type: 'refund'; readonly amount: bigint | undefined }
);

type BatchReading =
  | { readonly ok: true; readonly payment: BatchPayment }
  | { readonly ok: false; readonly reason: X402Error; readonly message: string };

const refuse = (reason: X402Error, message: string): BatchReading => ({ ok: false, reason, message });

const TYPES: ReadonlySet<unknown> = new Set(['deposit', 'voucher', 'refund']);

/** What a schema cannot name with a code of its own. */
function problemOf(payload: JsonObject): BatchReading | undefined {
  if (!TYPES.has(payload.type)) {
    return refuse('invalid_batch_settlement_evm_payload_type', 'payload.type: expected deposit, voucher or refund');
  }
  const id = fieldOf(payload.voucher, 'channelId');
  if (typeof id === 'string' && !BYTES32_FORM.test(id)) {
    return refuse('invalid_batch_settlement_evm_channel_id_invalid', 'payload.voucher.channelId: expected 32 bytes');
  }
  if (payload.type === 'refund' && payload.amount !== undefined && payload.amount !== null) {
    const asked = typeof payload.amount === 'string' ? parseAtomic(payload.amount) : undefined;
    if (asked === undefined || asked === 0n || asked > MAX_UINT128) {
      return refuse(
        'invalid_batch_settlement_evm_refund_amount_invalid',
        'payload.amount: expected an integer from 1 to 2^128 - 1, or nothing for all that is left',
      );
    }
  }
  return undefined;
}

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;

/** Reads what a payer of scheme `batch-settlement` sent. The scheme is not looked at: matching the offer does that. */
export function batchPaymentOf(paid: { readonly payload: JsonObject }): BatchReading {
  const problem = problemOf(paid.payload);
  if (problem) return problem;
  const parsed = batchPayloadSchema.safeParse(paid.payload);
  if (!parsed.success) return refuse('invalid_payload', `payload.${firstIssue(parsed.error)}`);
  const { data } = parsed;
  const common = { config: configOf(data.channelConfig), voucher: voucherOf(data.voucher) };
  switch (data.type) {
    case 'voucher':
      return { ok: true, payment: { ...common, type: 'voucher' } };
    case 'refund':
      return {
        ok: true,
        payment: { ...common, type: 'refund', amount: data.amount === undefined ? undefined : BigInt(data.amount) },
      };
    case 'deposit': {
      const { erc3009Authorization: erc3009, permit2Authorization: permit2 } = data.deposit.authorization;
      if (erc3009 && permit2) {
        return refuse(
          'invalid_batch_settlement_evm_payload_type',
          'payload.deposit.authorization: expected one, found two',
        );
      }
      const authorization = erc3009 ? erc3009Of(erc3009) : permit2 && permit2Of(permit2);
      if (!authorization) {
        return refuse(
          'invalid_batch_settlement_evm_erc3009_authorization_required',
          'payload.deposit.authorization: expected erc3009Authorization',
        );
      }
      const deposit = { amount: BigInt(data.deposit.amount), authorization };
      return { ok: true, payment: { ...common, type: 'deposit', deposit } };
    }
  }
}

// The texts below have passed the schema, which admits plain decimal digits only.

export const configOf = (config: z.output<typeof channelConfigSchema>): ChannelConfig => ({
  payer: lowerHex(config.payer),
  payerAuthorizer: lowerHex(config.payerAuthorizer),
  receiver: lowerHex(config.receiver),
  receiverAuthorizer: lowerHex(config.receiverAuthorizer),
  token: lowerHex(config.token),
  withdrawDelay: config.withdrawDelay,
  salt: lowerHex(config.salt),
});

const voucherOf = (voucher: z.output<typeof voucherSchema>): Voucher => ({
  channelId: lowerHex(voucher.channelId),
  maxClaimable: BigInt(voucher.maxClaimableAmount),
  signature: lowerHex(voucher.signature),
});

const erc3009Of = (given: z.output<typeof erc3009Schema>): Erc3009Deposit => ({
  method: 'eip3009',
  validAfter: BigInt(given.validAfter),
  validBefore: BigInt(given.validBefore),
  salt: lowerHex(given.salt),
  signature: lowerHex(given.signature),
});

const permit2Of = (given: z.output<typeof permit2DepositSchema>): Permit2Deposit => ({
  ...permit2AuthorizationOf(given),
  method: 'permit2',
  channelId: lowerHex(given.witness.channelId),
});
