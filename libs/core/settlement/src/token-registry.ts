import type { AssetId } from '@core/money';
import type { TokenDomain } from '@core/x402';

/** A token that may be paid with, with the signing domain and the decimals it was found to have on its chain. */
export interface RegisteredToken {
  readonly asset: AssetId;
  readonly symbol: string;
  readonly decimals: number;
  readonly domain: TokenDomain;
}

/** A token is off while its chain says something else than we know of it, or has not been asked yet. */
export type TokenStanding =
  | { readonly on: true; readonly token: RegisteredToken }
  | { readonly on: false; readonly token: RegisteredToken; readonly reason: string };

/** The tokens Farebox takes. Addresses, names and versions are ours, never a payment's. */
export abstract class TokenRegistry {
  abstract standings(): readonly TokenStanding[];
  /** The token when it is known and on. The letter case of the address does not matter. */
  abstract find(chainId: number, address: string): RegisteredToken | undefined;
}
