import { parseAtomic } from '@core/money';
import {
  BATCH_SETTLEMENT,
  CREDIT_NETWORK,
  creditPaymentOf,
  paymentRequirementsSchema,
  readPaymentPayload,
} from '@core/x402';
import { z } from 'zod';

/** What a server asks to have verified or settled. */
export interface FacilitatedCredit {
  /** Compact JWS. */
  readonly attestation: string;
  /** Atomic units: the price, or what is to be charged. */
  readonly amount: bigint;
  readonly asset: string;
  readonly payTo: string;
  /** URL that the payment says it is for; absent: the server has seen to it. */
  readonly resource: string | undefined;
}

type Reading =
  | { readonly ok: true; readonly payment: FacilitatedCredit }
  | { readonly ok: false; readonly reason: string; readonly message: string };

const refuse = (reason: string, message: string): Reading => ({ ok: false, reason, message });

const schema = z.object({
  x402Version: z.literal(2),
  paymentPayload: z.unknown(),
  // Servers write no validity where they settle.
  paymentRequirements: paymentRequirementsSchema.extend({ maxTimeoutSeconds: z.number().min(0).optional() }),
});

/** Reads the body of a facilitator's verify or settle of a payment on credit. */
export function readFacilitatedCredit(body: unknown): Reading {
  const outer = schema.safeParse(body);
  if (!outer.success) {
    const wrongVersion = outer.error.issues.some(({ path }) => path[0] === 'x402Version');
    return wrongVersion
      ? refuse('invalid_x402_version', 'x402Version has to be 2')
      : refuse('invalid_payment_requirements', 'paymentRequirements do not have the form of an offer');
  }
  const { paymentRequirements: required } = outer.data;
  const read = readPaymentPayload(outer.data.paymentPayload);
  if (!read.ok) return read;
  const { accepted, resource } = read.payload;
  for (const { scheme, network } of [required, accepted]) {
    if (scheme !== BATCH_SETTLEMENT) return refuse('unsupported_scheme', `scheme has to be ${BATCH_SETTLEMENT}`);
    if (network !== CREDIT_NETWORK) return refuse('invalid_network', `network has to be ${CREDIT_NETWORK}`);
  }
  if (accepted.asset !== required.asset || accepted.payTo !== required.payTo)
    return refuse('invalid_payment_requirements', 'the payment accepted another offer');
  const credit = creditPaymentOf(read.payload);
  if (!credit.ok) return credit;
  // A signature over a request says nothing to who did not receive that request.
  if (credit.payment.form !== 'attested')
    return refuse('unsupported_payload_type', 'payload.type has to be "consume": only attestations are settled here');
  return {
    ok: true,
    payment: {
      attestation: credit.payment.attestation,
      amount: parseAtomic(required.amount) ?? 0n,
      asset: required.asset,
      payTo: required.payTo,
      resource: resource?.url,
    },
  };
}
