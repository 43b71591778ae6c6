type Address = `0x${string}`;

/** The same on every chain: the public clients have them built in. */
export const BATCH_SETTLEMENT_ADDRESS: Address;
export const ERC3009_COLLECTOR_ADDRESS: Address;

/** Puts the payment channels of scheme `batch-settlement` and their EIP-3009 collector at their addresses, unless they are there. */
export function placeChannels(url: string): Promise<void>;
