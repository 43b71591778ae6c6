import { z } from 'zod';
import { BATCH_SETTLEMENT } from './batch-channel.js';
import type { X402Error } from './error-codes.js';
import { ADDRESS_FORM, type Hex, lowerHex } from './hex.js';
import { firstIssue } from './issues.js';
import { paymentRequirementsSchema } from './requirements.js';
import { checkJson, type JsonLimits, type JsonObject } from './strict-json.js';
import { jsonObject } from './wire-values.js';

/** A claim has a hundred rows of a dozen keys each. */
const RELAY_LIMITS: JsonLimits = { depth: 8, keys: 2048, string: 2048 };

/** Claims and payouts are asked for without a price: amount and time are zero, and `extra` is empty. */
const termsSchema = paymentRequirementsSchema.extend({ maxTimeoutSeconds: z.number().nonnegative() });

const requestSchema = z.object({
  paymentPayload: z.object({ x402Version: z.literal(2), accepted: termsSchema, payload: jsonObject }),
  paymentRequirements: termsSchema,
});

/** What a server of scheme `batch-settlement` asks a facilitator. Addresses are lower case. */
export interface RelayRequest {
  readonly network: string;
  readonly asset: Hex;
  readonly payTo: Hex;
  readonly extra: JsonObject;
  /** Data of the scheme: see `batchPaymentOf` and `batchRelayOf`. */
  readonly payload: JsonObject;
}

type RelayRequestReading =
  | { readonly ok: true; readonly request: RelayRequest }
  | { readonly ok: false; readonly reason: X402Error; readonly message: string; readonly network: string };

/** Reads the body of verify and settle of version 2, and checks that payment and terms are of one scheme and network. */
export function readRelayRequest(body: unknown): RelayRequestReading {
  const no = (reason: X402Error, message: string, network = ''): RelayRequestReading => ({
    ok: false,
    reason,
    message,
    network,
  });
  const json = checkJson(body, RELAY_LIMITS);
  if (!json.ok) return no('invalid_payload', `the body ${json.message}`);
  const version = versionOf(body);
  if (version !== 2) return no('invalid_x402_version', 'x402Version has to be 2 for this scheme');
  const parsed = requestSchema.safeParse(json.value);
  if (!parsed.success) {
    const inTerms = parsed.error.issues.some(({ path }) => path[0] === 'paymentRequirements');
    return no(inTerms ? 'invalid_payment_requirements' : 'invalid_payload', firstIssue(parsed.error));
  }
  const { paymentPayload, paymentRequirements: terms } = parsed.data;
  const { accepted, payload } = paymentPayload;
  const { network } = terms;
  if (terms.scheme !== BATCH_SETTLEMENT || accepted.scheme !== BATCH_SETTLEMENT) {
    return no('invalid_batch_settlement_evm_scheme', 'the payment is of another scheme than the terms', network);
  }
  if (accepted.network !== network) {
    const message = 'the payment names another network than the terms';
    return no('invalid_batch_settlement_evm_network_mismatch', message, network);
  }
  if (!ADDRESS_FORM.test(terms.asset) || !ADDRESS_FORM.test(terms.payTo)) {
    const message = 'paymentRequirements.asset and .payTo have to be addresses';
    return no('invalid_payment_requirements', message, network);
  }
  const [asset, payTo] = [lowerHex(terms.asset), lowerHex(terms.payTo)];
  return { ok: true, request: { network, asset, payTo, extra: terms.extra ?? {}, payload } };
}

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;

/** Servers may leave the outer version out: the payload has its own. */
const versionOf = (body: unknown): unknown =>
  fieldOf(body, 'x402Version') ?? fieldOf(fieldOf(body, 'paymentPayload'), 'x402Version');
