import type { PayableAssets, PaymentAsset } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import { type AuthorizationVerifier, BATCH_CONTRACTS, type Hex } from '@core/x402';
import type { ChannelDoors, RelayDoors, UptoDoors } from '@features/payments';
import {
  ChannelVerifier,
  Eip3009Verifier,
  EvmChannelChain,
  Permit2UptoVerifier,
  UptoReader,
  UsdcReader,
  UsdcRegistry,
} from '@platform/chain';
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
  /** For servers that keep channels themselves. */
  readonly relay: RelayDoors;
  /** Absent where no relayer key is named that payers may name. */
  readonly upto: UptoDoors | undefined;
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
  const channels = await openChannels(config);
  return {
    reader: new UsdcReader(
      { rpcUrl: config.CHAIN_RPC_URL, multicall: config.MULTICALL_ADDRESS, pollMs: config.CHAIN_POLL_MS },
      clock,
    ),
    verifier: await Eip3009Verifier.create(),
    tokens: [registry.token],
    assets: () => registry.payable(),
    ...channels,
    upto: await openUpto(config),
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** The key is the worker's to sign with; here it says which address offers have to name, and whose channels are ours. */
async function openChannels(config: Config): Promise<Pick<ChainRim, 'channels' | 'relay'>> {
  const chain = await EvmChannelChain.create({
    rpcUrl: config.CHAIN_RPC_URL,
    chainId: config.CHAIN_ID,
    multicall: config.MULTICALL_ADDRESS,
    contracts: BATCH_CONTRACTS,
    relayerKeys: [],
    authorizerKey: config.CHANNEL_AUTHORIZER_KEY,
    finality: config.CHAIN_FINALITY,
  });
  const verifier = await ChannelVerifier.create(config.CHAIN_ID, BATCH_CONTRACTS);
  const collector = BATCH_CONTRACTS.erc3009Collector;
  const gate = { authorizer: chain.authorizer, withdrawDelay: config.CHANNEL_WITHDRAW_DELAY };
  return {
    channels: config.CHANNEL_AUTHORIZER_KEY === undefined ? undefined : { chain, verifier, collector, ...gate },
    relay: { chain, verifier, collector },
  };
}

/** Its keys are the worker's to send with; here their addresses say which ones offers may name. */
async function openUpto(config: Config): Promise<UptoDoors | undefined> {
  const [first, ...others] = (config.UPTO_FACILITATORS ?? []).map((address): Hex => `0x${address.slice(2)}`);
  if (first === undefined) return undefined;
  return {
    reader: new UptoReader({ rpcUrl: config.CHAIN_RPC_URL, multicall: config.MULTICALL_ADDRESS }),
    verifier: await Permit2UptoVerifier.create(config.CHAIN_ID),
    facilitators: [first, ...others],
  };
}
