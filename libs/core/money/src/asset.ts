import { Fault } from '@core/faults';

/**
 * Names an asset for good: `eip155:<chain id>/erc20:<address, lower case>` (CAIP-19) for a token,
 * `eip155:<chain id>/slip44:60` for a chain's ether, `iso4217:<code>` for a currency.
 */
export type AssetId = string & { readonly __asset: true };

export interface Asset {
  readonly id: AssetId;
  readonly symbol: string;
  /** How many decimal places one whole unit has: 6 for USDC, 2 for USD. For display and for prices only. */
  readonly decimals: number;
}

const FORM = /^(?:eip155:[1-9]\d{0,15}\/(?:erc20:0x[0-9a-f]{40}|slip44:60)|iso4217:[A-Z]{3})$/;

const isAssetId = (text: string): text is AssetId => FORM.test(text);

/** @throws Fault invalid_request when the text is not an asset id. */
export function assetId(text: string): AssetId {
  if (!isAssetId(text)) {
    throw new Fault(
      'invalid_request',
      `"${text.slice(0, 80)}" is not an asset id such as eip155:8453/erc20:0x… or iso4217:USD`,
    );
  }
  return text;
}

/** The asset id of a token contract, whatever the letter case of the address. */
export const erc20Asset = (chainId: number, address: string): AssetId =>
  assetId(`eip155:${chainId}/erc20:${address.toLowerCase()}`);

/** The asset id of the ether that pays for gas on a chain. */
export const nativeAsset = (chainId: number): AssetId => assetId(`eip155:${chainId}/slip44:60`);

export const USD: Asset = { id: assetId('iso4217:USD'), symbol: 'USD', decimals: 2 };
