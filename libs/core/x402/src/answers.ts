import { z } from 'zod';
import { absentOr, atomicText, jsonObject, text } from './wire-values.js';

/** How a settlement went: the PAYMENT-RESPONSE header and the answer of a facilitator's settle. */
export const settlementResponseSchema = z.object({
  success: z.boolean(),
  errorReason: absentOr(z.string()),
  /** Detail for logs. */
  errorMessage: absentOr(z.string()),
  payer: absentOr(z.string()),
  /** Hash of the transfer; empty when there is none. */
  transaction: z.string(),
  network: text,
  /** What really moved; empty where nothing moved on a chain. */
  amount: absentOr(z.union([z.literal(''), atomicText])),
  extensions: absentOr(jsonObject),
  extra: absentOr(jsonObject),
});
export type SettlementResponse = z.output<typeof settlementResponseSchema>;

/** The answer of a facilitator's verify. It proves nothing durable: claim the authorization before work starts. */
export const verifyResponseSchema = z.object({
  isValid: z.boolean(),
  invalidReason: absentOr(z.string()),
  invalidMessage: absentOr(z.string()),
  payer: absentOr(z.string()),
  extensions: absentOr(jsonObject),
  extra: absentOr(jsonObject),
});
export type VerifyResponse = z.output<typeof verifyResponseSchema>;

/** What a facilitator can do. `signers` maps a CAIP-2 pattern (`eip155:*`) to addresses. */
export const supportedResponseSchema = z.object({
  kinds: z.array(z.object({ x402Version: z.number().int(), scheme: text, network: text, extra: absentOr(jsonObject) })),
  extensions: z.array(z.string()),
  signers: z.record(z.string(), z.array(z.string())),
});
export type SupportedResponse = z.output<typeof supportedResponseSchema>;
