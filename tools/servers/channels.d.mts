type Address = `0x${string}`;

/** The same on every chain: the public clients have them built in. */
export const BATCH_SETTLEMENT_ADDRESS: Address;
export const ERC3009_COLLECTOR_ADDRESS: Address;
export const PERMIT2_ADDRESS: Address;
export const UPTO_PROXY_ADDRESS: Address;

/**
 * Puts the payment channels of scheme `batch-settlement` with their EIP-3009 collector, Permit2, and the proxy of scheme `upto` at
 * their addresses, unless they are there.
 */
export function placeChannels(url: string): Promise<void>;
