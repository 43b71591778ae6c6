import { parseAtomic } from '@core/money';
import type { PaymentAsset } from '@core/payments';
import {
  chainIdOf,
  type ExactAuthorization,
  exactAuthorizationOf,
  networkOfNameV1,
  paymentRequirementsSchema,
  readPaymentPayload,
  readPaymentPayloadV1,
  requirementV1Schema,
  type X402Error,
} from '@core/x402';

/** What a resource server asks a facilitator about: its own terms, and the payment it was shown. */
export interface FacilitatedPayment {
  readonly asset: PaymentAsset;
  readonly authorization: ExactAuthorization;
  readonly payTo: string;
  readonly amount: bigint;
  /** As the caller names it: CAIP-2 in version 2, a word in version 1. */
  readonly network: string;
  readonly resource: string;
}

export type FacilitatedReading =
  | { readonly ok: true; readonly payment: FacilitatedPayment }
  | {
      readonly ok: false;
      readonly reason: X402Error;
      readonly message: string;
      readonly network: string;
      readonly payer?: string;
    };

interface Terms {
  readonly scheme: string;
  /** CAIP-2; undefined for a name nobody knows. */
  readonly network: string | undefined;
  readonly given: string;
  readonly amount: string;
  readonly asset: string;
  readonly payTo: string;
  readonly extra: Readonly<Record<string, unknown>> | undefined;
  readonly resource: string;
  /** What the payload says of itself. */
  readonly paid: {
    readonly scheme: string;
    readonly network: string | undefined;
    readonly payload: Record<string, unknown>;
  };
}

const no = (reason: X402Error, message: string, network = '', payer?: string): FacilitatedReading => ({
  ok: false,
  reason,
  message,
  network,
  ...(payer === undefined ? {} : { payer }),
});

/**
 * Reads the body of verify and settle, either version, and the checks that need nothing but the text, in the order of the
 * scheme's verification: scheme, domain of the token, network, token.
 */
export function readFacilitatedPayment(body: unknown, assets: readonly PaymentAsset[]): FacilitatedReading {
  const terms = readTerms(body);
  if ('ok' in terms) return terms;
  const { given: network } = terms;
  if (terms.scheme !== 'exact')
    return no('unsupported_scheme', 'no such scheme is settled here in this version', network);
  if (terms.paid.scheme !== 'exact')
    return no('invalid_exact_evm_scheme', 'the payment is of another scheme than the terms', network);
  if (typeof terms.extra?.['name'] !== 'string' || typeof terms.extra['version'] !== 'string') {
    return no(
      'invalid_exact_evm_missing_eip712_domain',
      'paymentRequirements.extra needs the token’s EIP-712 name and version',
      network,
    );
  }
  if (terms.paid.network !== terms.network) {
    return no('invalid_exact_evm_network_mismatch', 'the payment names another network than the terms', network);
  }
  if (terms.network === undefined || chainIdOf(terms.network) === undefined)
    return no('invalid_network', 'no such network is settled here', network);
  const onNetwork = assets.filter((asset) => asset.network === terms.network);
  if (onNetwork.length === 0) return no('invalid_network', 'no token of this network is settled here', network);
  const asset = onNetwork.find(({ domain }) => domain.address === terms.asset.toLowerCase());
  if (!asset) return no('asset_not_deployed_contract', 'this token is not settled here', network);
  if (terms.extra['name'] !== asset.domain.name)
    return no('invalid_exact_evm_token_name_mismatch', 'extra.name is not the token’s EIP-712 name', network);
  if (terms.extra['version'] !== asset.domain.version) {
    return no('invalid_exact_evm_token_version_mismatch', 'extra.version is not the token’s EIP-712 version', network);
  }
  const amount = parseAtomic(terms.amount);
  if (amount === undefined || amount === 0n)
    return no('invalid_payment_requirements', 'amount has to be atomic units above zero', network);
  const read = exactAuthorizationOf(terms.paid);
  if (!read.ok) return no(read.reason, read.message, network);
  return {
    ok: true,
    payment: {
      asset,
      authorization: read.authorization,
      payTo: terms.payTo.toLowerCase(),
      amount,
      network,
      resource: terms.resource,
    },
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readTerms(body: unknown): Terms | FacilitatedReading {
  if (!isObject(body)) return no('invalid_payload', 'the body has to be a JSON object');
  const { paymentPayload, paymentRequirements } = body;
  const version = body['x402Version'] ?? (isObject(paymentPayload) ? paymentPayload['x402Version'] : undefined);
  if (version === 2) {
    const requirements = paymentRequirementsSchema.safeParse(paymentRequirements);
    if (!requirements.success)
      return no('invalid_payment_requirements', 'paymentRequirements is not in the form of version 2');
    const { data } = requirements;
    const payload = readPaymentPayload(paymentPayload);
    if (!payload.ok) return no(payload.reason, payload.message, data.network);
    const { accepted, resource } = payload.payload;
    return {
      scheme: data.scheme,
      network: data.network,
      given: data.network,
      amount: data.amount,
      asset: data.asset,
      payTo: data.payTo,
      extra: data.extra,
      resource: resource?.url ?? '',
      paid: { scheme: accepted.scheme, network: accepted.network, payload: payload.payload.payload },
    };
  }
  if (version === 1) {
    const requirements = requirementV1Schema.safeParse(paymentRequirements);
    if (!requirements.success)
      return no('invalid_payment_requirements', 'paymentRequirements is not in the form of version 1');
    const { data } = requirements;
    const payload = readPaymentPayloadV1(paymentPayload);
    if (!payload.ok) return no(payload.reason, payload.message, data.network);
    return {
      scheme: data.scheme,
      network: networkOfNameV1(data.network),
      given: data.network,
      amount: data.maxAmountRequired,
      asset: data.asset,
      payTo: data.payTo,
      extra: data.extra,
      resource: data.resource,
      paid: {
        scheme: payload.payload.scheme,
        network: networkOfNameV1(payload.payload.network),
        payload: payload.payload.payload,
      },
    };
  }
  return no('invalid_x402_version', 'x402Version has to be 2 or 1');
}
