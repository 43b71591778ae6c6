import type { PayableAssets, PaymentAsset } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import type { AuthorizationVerifier } from '@core/x402';
import { Eip3009Verifier, UsdcReader, UsdcRegistry } from '@platform/chain';
import type { Rim } from './rim.js';

/** The chain as the paid path needs it. */
export interface ChainRim {
  readonly reader: ChainReader;
  readonly verifier: AuthorizationVerifier;
  /** Tokens that prices can be set in, payable now or not. */
  readonly tokens: readonly PaymentAsset[];
  /** Tokens that can be paid with now. */
  readonly assets: PayableAssets;
  close(): void;
}

/** Injection token of `ChainRim.tokens`. */
export const PRICEABLE_TOKENS = Symbol('PRICEABLE_TOKENS');

const RECHECK_MS = 3_600_000;
const RETRY_MS = 2_000;

/**
 * Opens the chain. The token is checked against it once before anything is served, and again every hour; while the chain
 * cannot be asked nothing can be paid, and it is asked again soon.
 */
export async function openChain({ config, clock, logger }: Rim): Promise<ChainRim> {
  const settings = { rpcUrl: config.CHAIN_RPC_URL, chainId: config.CHAIN_ID, usdcAddress: config.USDC_ADDRESS };
  const registry = await UsdcRegistry.create(settings);
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const check = async (): Promise<void> => {
    let wait = RETRY_MS;
    try {
      const standing = await registry.check();
      if (standing.on) wait = RECHECK_MS;
      else logger.error({ asset: registry.token.id, reason: standing.reason }, 'the token cannot be paid with');
    } catch (error) {
      logger.warn({ err: error }, 'the token could not be checked against the chain');
    }
    if (closed) return;
    timer = setTimeout(() => void check(), wait);
    timer.unref();
  };
  await check();
  return {
    reader: new UsdcReader(
      { rpcUrl: config.CHAIN_RPC_URL, multicall: config.MULTICALL_ADDRESS, pollMs: config.CHAIN_POLL_MS },
      clock,
    ),
    verifier: await Eip3009Verifier.create(),
    tokens: [registry.token],
    assets: () => registry.payable(),
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}
