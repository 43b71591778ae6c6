type Address = `0x${string}`;

/** Base Sepolia's. */
export const USDC_ADDRESS: Address;
export const MULTICALL3_ADDRESS: Address;
export const USDC_DOMAIN_SEPARATOR: `0x${string}`;

/** Owner, master minter, pauser, blacklister and minter of the local USDC; it has no key and is impersonated. */
export const USDC_OWNER: Address;

export interface LocalUsdc {
  readonly address: Address;
  /** Makes new USDC out of nothing. Mines a block when the chain does not by itself. @param amount atomic units */
  mint(to: Address, amount: bigint): Promise<void>;
  /** In atomic units. */
  balance(of: Address): Promise<bigint>;
  /** Any function of Circle's contract as its owner: `blacklist`, `pause` … */
  call(functionName: string, args?: readonly unknown[]): Promise<void>;
}

/**
 * Puts Circle's USDC (FiatTokenV2_2 behind its proxy) and Multicall3 at their Base Sepolia addresses, unless they are
 * there, and checks the EIP-712 domain. Works in every way of mining.
 */
export function placeUsdc(url: string): Promise<LocalUsdc>;

/** The USDC of a chain on which somebody placed it. */
export function connectUsdc(url: string): LocalUsdc;
