import { parseAtomic } from '@core/money';
import type { PaymentAsset } from '@core/payments';
import {
  paymentRequirementsSchema,
  readPaymentPayload,
  UPTO,
  type UptoAuthorization,
  uptoAuthorizationOf,
  type X402Error,
} from '@core/x402';

/** What a resource server asks about: its own terms, and the signed ceiling it was shown. */
export interface FacilitatedCeiling {
  readonly asset: PaymentAsset;
  readonly authorization: UptoAuthorization;
  /** Lower case. */
  readonly payTo: string;
  /** Of verify the ceiling, of settle what is charged of it: 0 is nothing. */
  readonly amount: bigint;
  readonly network: string;
  readonly resource: string;
}

export type CeilingReading =
  | { readonly ok: true; readonly payment: FacilitatedCeiling }
  | { readonly ok: false; readonly reason: X402Error; readonly message: string; readonly network: string };

const no = (reason: X402Error, message: string, network = ''): CeilingReading => ({
  ok: false,
  reason,
  message,
  network,
});

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;

/** Reads the body of verify and settle, and makes the checks that need nothing but the text. Version 1 does not know the scheme. */
export function readFacilitatedCeiling(body: unknown, assets: readonly PaymentAsset[]): CeilingReading {
  const paymentPayload = fieldOf(body, 'paymentPayload');
  if ((fieldOf(body, 'x402Version') ?? fieldOf(paymentPayload, 'x402Version')) !== 2)
    return no('invalid_x402_version', 'x402Version has to be 2');
  const requirements = paymentRequirementsSchema.safeParse(fieldOf(body, 'paymentRequirements'));
  if (!requirements.success)
    return no('invalid_payment_requirements', 'paymentRequirements is not in the form of version 2');
  const { network, scheme, payTo, ...terms } = requirements.data;
  const payload = readPaymentPayload(paymentPayload);
  if (!payload.ok) return no(payload.reason, payload.message, network);
  const { accepted, resource } = payload.payload;
  if (scheme !== UPTO || accepted.scheme !== UPTO)
    return no('invalid_upto_evm_scheme', 'the payment is of another scheme than the terms', network);
  if (accepted.network !== network)
    return no('invalid_upto_evm_network_mismatch', 'the payment names another network than the terms', network);
  const onNetwork = assets.filter((asset) => asset.network === network);
  if (onNetwork.length === 0) return no('invalid_network', 'no token of this network is settled here', network);
  const asset = onNetwork.find(({ domain }) => domain.address === terms.asset.toLowerCase());
  if (!asset) return no('asset_not_deployed_contract', 'this token is not settled here', network);
  const amount = parseAtomic(terms.amount);
  if (amount === undefined) return no('invalid_payment_requirements', 'amount has to be atomic units', network);
  const read = uptoAuthorizationOf(payload.payload);
  if (!read.ok) return no(read.reason, read.message, network);
  return {
    ok: true,
    payment: {
      asset,
      authorization: read.authorization,
      payTo: payTo.toLowerCase(),
      amount,
      network,
      resource: resource?.url ?? '',
    },
  };
}
