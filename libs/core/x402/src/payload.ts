import { z } from 'zod';
import { paymentRequirementsSchema, resourceInfoSchema } from './requirements.js';
import { absentOr, jsonObject } from './wire-values.js';

/** What a payer sends. `accepted` is its copy of an offer, a hint: match it, then use the offer itself. */
export const paymentPayloadSchema = z.object({
  x402Version: z.literal(2),
  resource: absentOr(resourceInfoSchema),
  accepted: paymentRequirementsSchema,
  /** Data of the scheme; for `exact` see `exactAuthorizationOf`. */
  payload: jsonObject,
  extensions: absentOr(jsonObject),
});
export type PaymentPayload = z.output<typeof paymentPayloadSchema>;
