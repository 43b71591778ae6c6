import type { z } from 'zod';
import { type SettlementResponse, settlementResponseSchema } from './answers.js';
import type { X402Error } from './error-codes.js';
import { ANSWER_LIMITS, decodeHeader, encodeHeader, PAYMENT_LIMITS } from './header-text.js';
import { firstIssue } from './issues.js';
import { type PaymentPayload, paymentPayloadSchema } from './payload.js';
import {
  type PaymentRequired,
  paymentRequiredSchema,
  type PaymentRequirements,
  type ResourceInfo,
} from './requirements.js';
import { checkJson, type JsonReading } from './strict-json.js';
import { type PaymentPayloadV1, paymentPayloadV1Schema } from './version-one.js';

/** Header names as the protocol writes them; they compare without regard to case. */
export const X402_HEADERS = {
  required: 'PAYMENT-REQUIRED',
  signature: 'PAYMENT-SIGNATURE',
  response: 'PAYMENT-RESPONSE',
  paymentV1: 'X-PAYMENT',
  responseV1: 'X-PAYMENT-RESPONSE',
} as const;

/** `message` tells the sender what to mend; it never quotes what was sent. */
export type Refusal = { readonly ok: false; readonly reason: X402Error; readonly message: string };
type Reading<T> = { readonly ok: true; readonly payload: T } | Refusal;

function fit<T>(name: string, version: number | undefined, schema: z.ZodType<T>, json: JsonReading): Reading<T> {
  if (!json.ok) return { ok: false, reason: 'invalid_payload', message: `${name} ${json.message}` };
  const parsed = schema.safeParse(json.value);
  if (parsed.success) return { ok: true, payload: parsed.data };
  const wrongVersion = version !== undefined && parsed.error.issues.some(({ path }) => path[0] === 'x402Version');
  return wrongVersion
    ? { ok: false, reason: 'invalid_x402_version', message: `${name}: x402Version has to be ${version}` }
    : { ok: false, reason: 'invalid_payload', message: `${name}: ${firstIssue(parsed.error)}` };
}

/**
 * Reads a PAYMENT-SIGNATURE header: size, canonical base64, UTF-8, bounded JSON without duplicate keys, then the schema.
 * Costs no input or output and no curve arithmetic, and never throws.
 */
export const decodePaymentHeader = (header: string): Reading<PaymentPayload> =>
  fit(X402_HEADERS.signature, 2, paymentPayloadSchema, decodeHeader(header, PAYMENT_LIMITS));

/** Reads an X-PAYMENT header of version 1 by the same rules. */
export const decodePaymentHeaderV1 = (header: string): Reading<PaymentPayloadV1> =>
  fit(X402_HEADERS.paymentV1, 1, paymentPayloadV1Schema, decodeHeader(header, PAYMENT_LIMITS));

/** Reads a payload that came inside a JSON body, as facilitators get it, within the limits of the header. */
export const readPaymentPayload = (value: unknown): Reading<PaymentPayload> =>
  fit('paymentPayload', 2, paymentPayloadSchema, checkJson(value, PAYMENT_LIMITS));

/** Reads a payload of version 1 that came inside a JSON body. */
export const readPaymentPayloadV1 = (value: unknown): Reading<PaymentPayloadV1> =>
  fit('paymentPayload', 1, paymentPayloadV1Schema, checkJson(value, PAYMENT_LIMITS));

/** Reads a PAYMENT-REQUIRED header, as a client does. */
export const decodePaymentRequired = (header: string): Reading<PaymentRequired> =>
  fit(X402_HEADERS.required, 2, paymentRequiredSchema, decodeHeader(header, ANSWER_LIMITS));

/** Reads a PAYMENT-RESPONSE header, or X-PAYMENT-RESPONSE of version 1, which has the same form. */
export const decodeSettlementResponse = (header: string): Reading<SettlementResponse> =>
  fit(X402_HEADERS.response, undefined, settlementResponseSchema, decodeHeader(header, ANSWER_LIMITS));

// Encoders name every field, so that the order on the wire is the protocol's and nothing unintended leaves the house;
// JSON.stringify leaves out what is undefined.

const resource = (from: ResourceInfo): ResourceInfo => ({
  url: from.url,
  description: from.description,
  mimeType: from.mimeType,
  serviceName: from.serviceName,
  tags: from.tags,
  iconUrl: from.iconUrl,
});

const requirements = (from: PaymentRequirements): PaymentRequirements => ({
  scheme: from.scheme,
  network: from.network,
  amount: from.amount,
  asset: from.asset,
  payTo: from.payTo,
  maxTimeoutSeconds: from.maxTimeoutSeconds,
  extra: from.extra,
});

/** The text of a PAYMENT-REQUIRED header. */
export const encodePaymentRequired = (from: PaymentRequired): string =>
  encodeHeader({
    x402Version: from.x402Version,
    error: from.error,
    resource: resource(from.resource),
    accepts: from.accepts.map(requirements),
    extensions: from.extensions,
  } satisfies PaymentRequired);

/** The text of a PAYMENT-SIGNATURE header. */
export const encodePaymentPayload = (from: PaymentPayload): string =>
  encodeHeader({
    x402Version: from.x402Version,
    resource: from.resource && resource(from.resource),
    accepted: requirements(from.accepted),
    payload: from.payload,
    extensions: from.extensions,
  } satisfies PaymentPayload);

/** The text of an X-PAYMENT header of version 1. */
export const encodePaymentPayloadV1 = (from: PaymentPayloadV1): string =>
  encodeHeader({
    x402Version: from.x402Version,
    scheme: from.scheme,
    network: from.network,
    payload: from.payload,
  } satisfies PaymentPayloadV1);

/** The text of a PAYMENT-RESPONSE header, or of X-PAYMENT-RESPONSE when `network` is a name of version 1. */
export const encodeSettlementResponse = (from: SettlementResponse): string =>
  encodeHeader({
    success: from.success,
    errorReason: from.errorReason,
    errorMessage: from.errorMessage,
    payer: from.payer,
    transaction: from.transaction,
    network: from.network,
    amount: from.amount,
    extensions: from.extensions,
    extra: from.extra,
  } satisfies SettlementResponse);
