import { parseAtomic } from '@core/money';
import { z } from 'zod';
import { firstIssue } from './issues.js';
import type { PaymentPayload } from './payload.js';
import type { PaymentRequirements } from './requirements.js';
import { atomicText, text } from './wire-values.js';

/** Where calls on credit are paid, in the form of a network: scheme `batch-settlement`, backed by a credit line and not by capital. */
export const CREDIT_NETWORK = 'farebox:credit';

/** Which draft of the credit forms is spoken: `extra.version` of offers. */
export const CREDIT_VERSION = '0.1.0-draft';

/** Extension by which a server says that it knows agents by signed requests (RFC 9421). */
export const HTTP_MESSAGE_SIGNATURES = 'http-message-signatures';

/** What a challenge says of it. Without a schema, to save room in the header. */
export const httpMessageSignatures = (registrationUrl: string) => ({
  info: { registrationUrl, signatureSchemes: ['ed25519'], tags: ['web-bot-auth'] },
});

/**
 * Why a payment on credit is not taken: the codes of the network-signed form, then those of the attested form. They are part of the
 * wire: never rename one.
 */
export type CreditError =
  | 'blocked'
  | 'price_not_acceptable'
  | 'payment_failed'
  | 'invalid_signature'
  | 'signature_agent_unknown'
  | 'invalid_payment_signature'
  | 'origin_error'
  | 'unknown'
  | 'attestation_expired'
  | 'attestation_invalid'
  | 'attestation_revoked';

/** What an offer of credit says. */
interface CreditTerms {
  /** Atomic units: the price, or the most that may be charged. */
  readonly amount: bigint;
  /** Asset id. */
  readonly asset: string;
  /** `prv_…`: who sells, and the audience of attestations. */
  readonly provider: string;
  readonly maxTimeoutSeconds: number;
  /** Origin that keeps the credit, signs attestations and publishes their keys. */
  readonly authority: string;
  /** Whether attestations are issued. */
  readonly attests: boolean;
  readonly seal: string;
  readonly priceVersion: string;
}

/** The offer to pay on credit. */
export const creditOffer = (terms: CreditTerms): PaymentRequirements => ({
  scheme: 'batch-settlement',
  network: CREDIT_NETWORK,
  amount: terms.amount.toString(),
  asset: terms.asset,
  payTo: terms.provider,
  maxTimeoutSeconds: terms.maxTimeoutSeconds,
  extra: {
    version: CREDIT_VERSION,
    authority: terms.authority,
    ...(terms.attests ? { authorizeUrl: `${terms.authority}/v1/credit/authorize` } : {}),
    quote: terms.seal,
    priceVersion: terms.priceVersion,
  },
});

/** What an agent sends: terms that a signature over the request vouches for, or an attestation. */
export type CreditPayment =
  | { readonly form: 'signed'; readonly amount: bigint; readonly asset: string }
  | { readonly form: 'attested'; readonly attestation: string };

type CreditReading =
  | { readonly ok: true; readonly payment: CreditPayment }
  | { readonly ok: false; readonly reason: 'invalid_payload'; readonly message: string };

/** Three base64url texts between points; what is longer than one fits in no header. */
const compactJws = z
  .string()
  .max(2048)
  .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, 'expected a compact JWS');

const attestedSchema = z.object({ type: z.literal('consume'), attestation: compactJws });
const signedSchema = z.object({ amount: atomicText, asset: text });

/** Reads what an agent that pays on credit sent. */
export function creditPaymentOf({ payload }: Pick<PaymentPayload, 'payload'>): CreditReading {
  if (payload.type !== undefined && payload.type !== null) {
    const read = attestedSchema.safeParse(payload);
    return read.success
      ? { ok: true, payment: { form: 'attested', attestation: read.data.attestation } }
      : { ok: false, reason: 'invalid_payload', message: `payload.${firstIssue(read.error)}` };
  }
  const read = signedSchema.safeParse(payload);
  if (!read.success) return { ok: false, reason: 'invalid_payload', message: `payload.${firstIssue(read.error)}` };
  const { amount, asset } = read.data;
  return { ok: true, payment: { form: 'signed', amount: parseAtomic(amount) ?? 0n, asset } };
}
