import type { Server } from './process.mjs';

/** Base Sepolia's. */
export const CHAIN_ID: 84532;

/** The mnemonic everybody knows; its accounts own 10 000 ether each on a local chain and must hold nothing elsewhere. */
export const TEST_MNEMONIC: string;

export interface Chain extends Server {
  readonly url: string;
  readonly port: number;
  /** Whether an earlier run's state was taken up. */
  readonly restored: boolean;
}

/**
 * Starts anvil on loopback with Base Sepolia's chain id.
 * @param options.blockTime seconds between blocks; without it every transaction is mined as it comes
 * @param options.mining `false`: blocks only come by `evm_mine`
 * @param options.state a folder to keep the chain in between runs; written at the stop
 * @param options.accounts how many accounts of the test mnemonic are funded
 * @param options.slotsInEpoch the `finalized` block is two of these behind the latest one
 */
export function startChain(options?: {
  port?: number;
  blockTime?: number;
  mining?: boolean;
  state?: string;
  accounts?: number;
  slotsInEpoch?: number;
  log?: string;
}): Promise<Chain>;
