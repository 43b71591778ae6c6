import { z } from 'zod';
import { absentOr, atomicText, jsonObject, text } from './wire-values.js';

/** One offer of version 1. `network` is a word such as `base-sepolia`. */
export const requirementV1Schema = z.object({
  scheme: text,
  network: text,
  maxAmountRequired: atomicText,
  /** URL of what is sold. */
  resource: text,
  description: z.string(),
  mimeType: absentOr(z.string()),
  outputSchema: absentOr(jsonObject),
  payTo: text,
  maxTimeoutSeconds: z.number().positive(),
  asset: text,
  extra: absentOr(jsonObject),
});
export type RequirementV1 = z.output<typeof requirementV1Schema>;

/** The body of a 402 in version 1, which knows no challenge header. */
export interface PaymentRequiredV1 {
  readonly x402Version: 1;
  readonly error?: string | undefined;
  readonly accepts: readonly RequirementV1[];
}

/** What a payer of version 1 sends. It does not echo the offer: the price is computed again and has to be equal. */
export const paymentPayloadV1Schema = z.object({
  x402Version: z.literal(1),
  scheme: text,
  network: text,
  payload: jsonObject,
});
export type PaymentPayloadV1 = z.output<typeof paymentPayloadV1Schema>;
