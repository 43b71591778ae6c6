import type { PayableAssets, PaymentAsset } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import { type AuthorizationVerifier, BATCH_CONTRACTS } from '@core/x402';
import type { ChannelDoors } from '@features/payments';
import { ChannelVerifier, Eip3009Verifier, EvmChannelChain, UsdcReader, UsdcRegistry } from '@platform/chain';
import type { Config } from '@platform/config';
import type { Rim } from './rim.js';

/** The chain as the paid path needs it. */
export interface ChainRim {
  readonly reader: ChainReader;
  readonly verifier: AuthorizationVerifier;
  /** Tokens that prices can be set in, payable now or not. */
  readonly tokens: readonly PaymentAsset[];
  /** Tokens that can be paid with now. */
  readonly assets: PayableAssets;
  /** Absent where no key signs for channels. */
  readonly channels: ChannelDoors | undefined;
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
    channels: await openChannels(config),
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** The key is the worker's to sign with; here it says which address offers have to name. */
async function openChannels(config: Config): Promise<ChannelDoors | undefined> {
  if (config.CHANNEL_AUTHORIZER_KEY === undefined) return undefined;
  const chain = await EvmChannelChain.create({
    rpcUrl: config.CHAIN_RPC_URL,
    chainId: config.CHAIN_ID,
    multicall: config.MULTICALL_ADDRESS,
    contracts: BATCH_CONTRACTS,
    relayerKeys: [],
    authorizerKey: config.CHANNEL_AUTHORIZER_KEY,
    finality: config.CHAIN_FINALITY,
  });
  return {
    chain,
    verifier: await ChannelVerifier.create(config.CHAIN_ID, BATCH_CONTRACTS),
    authorizer: chain.authorizer,
    collector: BATCH_CONTRACTS.erc3009Collector,
    withdrawDelay: config.CHANNEL_WITHDRAW_DELAY,
  };
}
