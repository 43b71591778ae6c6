import type { AssetId } from '@core/money';
import type { TokenDomain } from '@core/x402';

/** A token agents may pay with, from our own registry: never from a payment. Addresses in lower case but `displayAddress`. */
export interface PaymentAsset {
  readonly id: AssetId;
  /** CAIP-2. */
  readonly network: string;
  /** The network's name in protocol version 1; absent where it has none. */
  readonly networkV1?: string;
  /** EIP-712 domain of the token; its address is in lower case. */
  readonly domain: TokenDomain;
  /** Checksummed address, as offers write it. */
  readonly displayAddress: string;
  readonly symbol: string;
  readonly decimals: number;
}

/** The tokens that can be paid with now: one whose contract was found changed is left out until it is looked into. */
export type PayableAssets = () => readonly PaymentAsset[];
