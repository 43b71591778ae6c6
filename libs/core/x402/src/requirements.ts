import { z } from 'zod';
import { absentOr, atomicText, jsonObject, networkText, printableText, text } from './wire-values.js';

/** What is sold. A hint from whoever sends it, never authority: no signature covers it. */
export const resourceInfoSchema = z.object({
  /** Absolute URL, or `mcp://tool/<name>`. */
  url: text,
  description: absentOr(z.string()),
  mimeType: absentOr(z.string()),
  serviceName: absentOr(printableText),
  tags: absentOr(z.array(printableText).max(5)),
  iconUrl: absentOr(
    z
      .string()
      .max(2048)
      .regex(/^https?:\/\//i, 'expected an http or https URL'),
  ),
});
export type ResourceInfo = z.output<typeof resourceInfoSchema>;

/** One offer. `amount` is an exact price or a ceiling, as the scheme says, in atomic units of `asset`. */
export const paymentRequirementsSchema = z.object({
  scheme: text,
  network: networkText,
  amount: atomicText,
  /** Token address, or an ISO 4217 code on networks that are no chain. */
  asset: text,
  /** Address, or a role word such as `merchant`. */
  payTo: text,
  maxTimeoutSeconds: z.number().positive(),
  extra: absentOr(jsonObject),
});
export type PaymentRequirements = z.output<typeof paymentRequirementsSchema>;

/** The challenge of a 402. `accepts` is in the server's order of preference; empty where only a sign-in is asked for. */
export const paymentRequiredSchema = z.object({
  x402Version: z.literal(2),
  error: absentOr(z.string()),
  resource: resourceInfoSchema,
  accepts: z.array(paymentRequirementsSchema),
  extensions: absentOr(jsonObject),
});
export type PaymentRequired = z.output<typeof paymentRequiredSchema>;
