import { mnemonicToAccount } from 'viem/accounts';
import type { ChannelMove, ChannelOnChain, ChannelReceipt, ClaimRow } from '@core/settlement';
import { BATCH_CONTRACTS, type ChannelConfig, type Hex } from '@core/x402';
import { ChannelVerifier, EvmChannelChain, UsdcRail } from '@platform/chain';
import { type Chain, CHAIN_ID, startChain, TEST_MNEMONIC } from '../../tools/servers/chain.mjs';
import { placeChannels } from '../../tools/servers/channels.mjs';
import { rpc } from '../../tools/servers/rpc.mjs';
import { type LocalUsdc, MULTICALL3_ADDRESS, placeUsdc, USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { ChannelPayer } from './channel-payer.js';

const keyOf = (addressIndex: number): Hex =>
  `0x${Buffer.from(mnemonicToAccount(TEST_MNEMONIC, { addressIndex }).getHdKey().privateKey ?? []).toString('hex')}`;

const FEES = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n };

export const TOKEN: Hex = `0x${USDC_ADDRESS.slice(2).toLowerCase()}`;
export const RECEIVER: Hex = '0x1111111111111111111111111111111111111111';

export interface OpenChannel {
  readonly payer: ChannelPayer;
  readonly config: ChannelConfig;
  readonly id: Hex;
}

/** A chain of its own with genuine USDC and our channels, read and written to as the product does it. */
export class ChannelScene {
  private constructor(
    readonly chain: Chain,
    readonly usdc: LocalUsdc,
    readonly rail: UsdcRail,
    readonly channels: EvmChannelChain,
    readonly verifier: ChannelVerifier,
  ) {}

  static async build(): Promise<ChannelScene> {
    const chain = await startChain();
    const [usdc] = await Promise.all([placeUsdc(chain.url), placeChannels(chain.url)]);
    const settings = ChannelScene.settings(chain.url);
    return new ChannelScene(
      chain,
      usdc,
      new UsdcRail(settings),
      await EvmChannelChain.create(settings),
      await ChannelVerifier.create(CHAIN_ID, BATCH_CONTRACTS),
    );
  }

  /** What a process needs to know of the channels of a chain; every block is final at once. */
  static settings = (rpcUrl: string) => ({
    rpcUrl,
    chainId: CHAIN_ID,
    multicall: MULTICALL3_ADDRESS,
    contracts: BATCH_CONTRACTS,
    relayerKeys: [keyOf(1)],
    authorizerKey: keyOf(2),
    finality: 0,
  });

  stop(): Promise<void> {
    return this.chain.stop();
  }

  async now(): Promise<bigint> {
    return (await this.rail.view()).head.timestamp;
  }

  async pass(seconds: number): Promise<void> {
    await rpc(this.chain.url, 'evm_increaseTime', seconds);
    await rpc(this.chain.url, 'evm_mine');
  }

  /** A payer with USDC, and a channel of its that holds nothing yet. */
  async opened(funds = 1_000_000n, change: Partial<ChannelConfig> = {}): Promise<OpenChannel> {
    const payer = new ChannelPayer(this.verifier);
    await this.usdc.mint(payer.address, funds);
    const terms = { receiver: RECEIVER, receiverAuthorizer: this.channels.authorizer, token: TOKEN };
    const config = { ...payer.config(terms), ...change };
    return { payer, config, id: this.verifier.channelId(config) };
  }

  /** A payer who has put all it has into a channel. */
  async funded(amount: bigint): Promise<OpenChannel> {
    const channel = await this.opened(amount);
    await this.send(await this.deposit(channel, amount));
    return channel;
  }

  async deposit({ payer, config }: OpenChannel, amount: bigint) {
    const deposit = await payer.deposit(config, amount, (await this.now()) + 600n);
    return { kind: 'deposit', config, deposit } as const;
  }

  async row({ payer, config }: OpenChannel, total: bigint, ceiling = total): Promise<ClaimRow> {
    return { config, voucher: await payer.voucher(config, ceiling), totalClaimed: total };
  }

  async send(...moves: ChannelMove[]): Promise<ChannelReceipt> {
    const [signer] = this.rail.signers;
    if (!signer) throw new Error('the scene has no relayer key');
    const nonce = await this.rail.nextNonce(signer, 'latest');
    const sent = await this.channels.sign({ signer, nonce, moves, fees: FEES });
    const answer = await this.rail.broadcast(sent.raw);
    if (answer.kind !== 'accepted') throw new Error(`the chain did not take the transaction: ${answer.kind}`);
    for (;;) {
      const [receipt] = await this.channels.receipts([sent.hash]);
      if (receipt) return receipt;
      await rpc(this.chain.url, 'evm_mine');
    }
  }

  /** `passes`, or why one move would not. */
  async verdict(move: ChannelMove): Promise<string> {
    const simulation = await this.channels.simulate([move]);
    if (simulation.kind === 'refused') return simulation.reason;
    const [verdict] = simulation.verdicts;
    return verdict === undefined || verdict.passes ? 'passes' : verdict.reason;
  }

  async at(id: Hex): Promise<ChannelOnChain> {
    return (await this.channels.channel(id)).channel;
  }
}
