import type { PaymentAsset } from '@core/payments';
import { readRelayRequest, type RelayRequest, type X402Error } from '@core/x402';

/** Why something is not taken, by the protocol's code. */
export interface Refusal {
  readonly reason: X402Error;
  readonly message: string;
}

export const refusal = (reason: X402Error, message: string): Refusal => ({ reason, message });

/** What a server asks, of a token and a chain that are served here. */
export interface RelayTerms extends RelayRequest {
  readonly token: PaymentAsset;
}

type RelayReading =
  | { readonly ok: true; readonly terms: RelayTerms }
  | { readonly ok: false; readonly refusal: Refusal; readonly network: string };

/** Reads the body of verify and settle, and finds the token in our registry. */
export function readRelayTerms(body: unknown, assets: readonly PaymentAsset[], chainId: number): RelayReading {
  const read = readRelayRequest(body);
  if (!read.ok) return { ok: false, refusal: refusal(read.reason, read.message), network: read.network };
  const { request } = read;
  const { network } = request;
  const no = (reason: X402Error, message: string): RelayReading => ({
    ok: false,
    refusal: refusal(reason, message),
    network,
  });
  const onNetwork = assets.filter((asset) => asset.network === network && asset.domain.chainId === chainId);
  if (onNetwork.length === 0) return no('invalid_network', 'no channels of this network are served here');
  const token = onNetwork.find(({ domain }) => domain.address === request.asset);
  if (!token) return no('asset_not_deployed_contract', 'this token is not settled here');
  return { ok: true, terms: { ...request, token } };
}
