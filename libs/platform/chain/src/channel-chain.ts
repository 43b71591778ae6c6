import {
  type Block,
  ChannelChain,
  type ChannelLog,
  type ChannelMove,
  type ChannelOnChain,
  type ChannelReceipt,
  type ChannelsAt,
  type ChannelSimulation,
  type ChainView,
  type ClaimRow,
  type Fees,
  type ReceiverOnChain,
  type SignedTransaction,
} from '@core/settlement';
import { Fault } from '@core/faults';
import { type BatchContracts, type Hex, ZERO_ADDRESS } from '@core/x402';
import { GroupCommit } from '@platform/database';
import { z } from 'zod';
import { type Finality, readChainView } from './chain-view.js';
import { ChannelAuthorizer } from './channel-authorizer.js';
import {
  channelCall,
  channelEventOf,
  claimData,
  depositData,
  EVENT_TOPICS,
  pendingWithdrawalCall,
  receiverCall,
  refundData,
  refundNonceCall,
  refusalIn,
  settleData,
  togetherData,
} from './channel-calls.js';
import { ChannelTypedData } from './channel-typed-data.js';
import { JsonRpc, RpcRefusal } from './json-rpc.js';
import { type Call, decodeReturns, encodeCalls, type Returned } from './multicall.js';
import { RelayerKeys } from './relayer-keys.js';
import { hex, logShape, quantityShape, readAnswer, readBlock, receiptShape, toQuantity } from './rpc-shapes.js';
import { readReceipt } from './usdc-receipts.js';

export interface EvmChannelChainSettings {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly multicall: string;
  readonly contracts: BatchContracts;
  /** Private keys: the same ones that carry transfers. */
  readonly relayerKeys: readonly string[];
  /** Private key of the address that channels name as their receiver's authorizer; absent where we sign for nobody. */
  readonly authorizerKey?: string | undefined;
  readonly finality: Finality;
}

/**
 * Gas by kind, half as much again as the local chain asks for at its dearest: a deposit 160 k by itself and 94 k among others, a
 * row of a claim 24 k, a payer's or receiver's first USDC 20 k more.
 */
const GAS = { base: 60_000n, deposit: 250_000n, claim: 60_000n, row: 40_000n, settle: 110_000n, refund: 130_000n };
/** No transaction may use more on Base and on other chains since Fusaka (EIP-7825). */
const GAS_CAP = 16_777_216n;
/** The protocol's own size of a claim. */
const MOST_CLAIM_ROWS = 100;
/** Channels read by one call: three contract calls each. */
const MOST_TOGETHER = 100;
/** Nodes that serve the public answer for so many blocks at once. */
const LOG_WINDOW = 5_000n;

const placedLog = logShape.extend({ blockNumber: quantityShape, blockHash: hex });

/** Payment channels of scheme `batch-settlement` on an EVM chain: reads by Multicall3, writes as calls of one Multicall3 transaction. */
export class EvmChannelChain extends ChannelChain {
  readonly chainId: number;
  readonly settlement: Hex;
  readonly authorizer: Hex;
  readonly mostClaimRows = MOST_CLAIM_ROWS;
  readonly #rpc: JsonRpc;
  readonly #multicall: Hex;
  readonly #keys: RelayerKeys;
  readonly #gathered: GroupCommit<Hex, { block: Block; channel: ChannelOnChain }>;

  private constructor(
    private readonly settings: EvmChannelChainSettings,
    private readonly typedData: ChannelTypedData,
    private readonly signer: ChannelAuthorizer | undefined,
  ) {
    super();
    this.chainId = settings.chainId;
    this.settlement = settings.contracts.settlement;
    this.authorizer = signer?.address ?? ZERO_ADDRESS;
    this.#rpc = new JsonRpc(settings.rpcUrl);
    this.#multicall = hex.parse(settings.multicall);
    this.#keys = new RelayerKeys(settings.relayerKeys, settings.chainId);
    this.#gathered = new GroupCommit((ids) => this.#readTogether(ids), MOST_TOGETHER);
  }

  static async create(settings: EvmChannelChainSettings): Promise<EvmChannelChain> {
    const { authorizerKey, chainId, contracts } = settings;
    return new EvmChannelChain(
      settings,
      await ChannelTypedData.create(chainId, contracts),
      authorizerKey === undefined ? undefined : await ChannelAuthorizer.create(authorizerKey, chainId, contracts),
    );
  }

  // ── reads ──

  view(): Promise<ChainView> {
    return readChainView(this.#rpc, this.settings.finality);
  }

  channel(id: Hex): Promise<{ readonly block: Block; readonly channel: ChannelOnChain }> {
    return this.#gathered.add(id);
  }

  async #readTogether(ids: readonly Hex[]): Promise<{ block: Block; channel: ChannelOnChain }[]> {
    const { block, channels } = await this.channels(ids, 'latest');
    return channels.map((channel) => ({ block, channel }));
  }

  async channels(ids: readonly Hex[], at: 'latest' | 'finalized'): Promise<ChannelsAt> {
    const block = await this.#block(at);
    const channels: ChannelOnChain[] = [];
    for (let from = 0; from < ids.length; from += MOST_TOGETHER) {
      const some = ids.slice(from, from + MOST_TOGETHER);
      const calls = some.flatMap((id) => [channelCall(id), pendingWithdrawalCall(id), refundNonceCall(id)]);
      const returned = await this.#read(calls, block);
      some.forEach((channelId, i) => {
        const [balance, totalClaimed] = numbersIn(returned[3 * i], 2);
        const [amount, requestedAt] = numbersIn(returned[3 * i + 1], 2);
        const [refundNonce] = numbersIn(returned[3 * i + 2], 1);
        const withdrawal = requestedAt === 0n ? undefined : { amount, requestedAt };
        channels.push({ channelId, balance, totalClaimed, withdrawal, refundNonce });
      });
    }
    return { block, channels };
  }

  async receiver(receiver: Hex, token: Hex, at: 'latest' | 'finalized'): Promise<ReceiverOnChain> {
    const [returned] = await this.#read([receiverCall(receiver, token)], await this.#block(at));
    const [totalClaimed, totalSettled] = numbersIn(returned, 2);
    return { totalClaimed, totalSettled };
  }

  async #block(at: 'latest' | 'finalized'): Promise<Block> {
    if (at === 'finalized') return (await this.view()).finalized;
    return readBlock(await this.#rpc.call('eth_getBlockByNumber', 'latest', false));
  }

  /** Asks by the block's hash: an answer of a block that went away is a refusal, never another block's. */
  async #read(datas: readonly string[], { hash }: Block): Promise<Returned[]> {
    const data = encodeCalls(datas.map((call) => ({ target: this.settlement, data: call })));
    const answer = await this.#rpc.all([
      { method: 'eth_call', params: [{ to: this.#multicall, data }, { blockHash: hash }] },
    ]);
    return decodeReturns(readAnswer(hex, answer[0]), datas.length);
  }

  async events(from: bigint, to: bigint): Promise<readonly ChannelLog[]> {
    const found: ChannelLog[] = [];
    for (let start = from; start <= to; start += LOG_WINDOW) {
      const end = start + LOG_WINDOW - 1n < to ? start + LOG_WINDOW - 1n : to;
      const filter = {
        address: this.settlement,
        topics: [EVENT_TOPICS],
        fromBlock: toQuantity(start),
        toBlock: toQuantity(end),
      };
      const [answer] = await this.#rpc.all([{ method: 'eth_getLogs', params: [filter] }]);
      for (const log of readAnswer(z.array(placedLog), answer)) {
        const event = channelEventOf(log);
        const block = { number: log.blockNumber, hash: log.blockHash };
        if (event) found.push({ ...event, block, transaction: log.transactionHash });
      }
    }
    return found;
  }

  async receipts(hashes: readonly Hex[]): Promise<readonly (ChannelReceipt | undefined)[]> {
    const answers = await this.#rpc.all(
      hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] })),
    );
    return answers.map((answer) => {
      const receipt = readReceipt(answer);
      const logs = readAnswer(receiptShape.nullable(), answer)?.logs ?? [];
      const channelEvents = logs
        .filter(({ address }) => address === this.settlement)
        .map(channelEventOf)
        .filter((event) => event !== undefined);
      return receipt && { ...receipt, channelEvents };
    });
  }

  // ── writes ──

  gasLimit(moves: readonly ChannelMove[]): bigint {
    const limit = moves.reduce((sum, move) => sum + gasOf(move), GAS.base);
    return limit < GAS_CAP ? limit : GAS_CAP;
  }

  async simulate(moves: readonly ChannelMove[]): Promise<ChannelSimulation> {
    const call = { to: this.#multicall, data: this.#batch(moves), gas: toQuantity(this.gasLimit(moves)) };
    const [answer] = await this.#rpc.all([{ method: 'eth_call', params: [call, 'latest'] }]);
    if (answer instanceof RpcRefusal) return { kind: 'refused', reason: answer.message };
    const verdicts = decodeReturns(answer, moves.length).map(({ success, data }) =>
      success ? ({ passes: true } as const) : ({ passes: false, reason: refusalIn(`0x${data}`) } as const),
    );
    return { kind: 'verdicts', verdicts };
  }

  sign(plan: { signer: Hex; nonce: bigint; moves: readonly ChannelMove[]; fees: Fees }): Promise<SignedTransaction> {
    const { signer, nonce, moves, fees } = plan;
    const call = { to: this.#multicall, data: this.#batch(moves), gas: this.gasLimit(moves) };
    return this.#keys.sign(signer, nonce, call, fees);
  }

  #batch(moves: readonly ChannelMove[]): Hex {
    return encodeCalls(moves.map((move): Call => ({ target: this.settlement, data: this.#dataOf(move).slice(2) })));
  }

  #dataOf(move: ChannelMove): Hex {
    switch (move.kind) {
      case 'deposit':
        return depositData(move.config, move.deposit, this.settings.contracts.erc3009Collector);
      case 'claim':
        return this.#claim(move.rows, move.signature);
      case 'settle':
        return settleData(move.receiver, move.token);
      case 'refund': {
        const { config, amount, nonce, claim, signatures } = move;
        const id = this.typedData.channelId(config);
        const signature = signatures?.refund ?? this.#signer().signRefund(id, nonce, amount);
        const refund = refundData(config, amount, nonce, signature);
        return claim ? togetherData([this.#claim([claim], signatures?.claim), refund]) : refund;
      }
    }
  }

  #claim(rows: readonly ClaimRow[], signature: Hex | undefined): Hex {
    return claimData(rows, signature ?? this.#signClaims(rows));
  }

  #signClaims(rows: readonly ClaimRow[]): Hex {
    const entries = rows.map(({ config, voucher, totalClaimed }) => ({
      channelId: this.typedData.channelId(config),
      maxClaimable: voucher.maxClaimable,
      totalClaimed,
    }));
    return this.#signer().signClaims(entries);
  }

  #signer(): ChannelAuthorizer {
    if (!this.signer) throw new Fault('invariant_broken', 'channels are signed for without a key');
    return this.signer;
  }
}

function gasOf(move: ChannelMove): bigint {
  switch (move.kind) {
    case 'deposit':
      return GAS.deposit;
    case 'claim':
      return GAS.claim + GAS.row * BigInt(move.rows.length);
    case 'settle':
      return GAS.settle;
    case 'refund':
      return GAS.refund + (move.claim ? GAS.claim + GAS.row : 0n);
  }
}

/** The words a call returned. @throws Fault unavailable when the contract is not where it should be */
function numbersIn(returned: Returned | undefined, count: 1): [bigint];
function numbersIn(returned: Returned | undefined, count: 2): [bigint, bigint];
function numbersIn(returned: Returned | undefined, count: number): bigint[] {
  if (!returned?.success || returned.data.length !== 64 * count) {
    throw new Fault('unavailable', 'The settlement contract does not answer; try again shortly.');
  }
  return Array.from({ length: count }, (_, i) => BigInt(`0x${returned.data.slice(64 * i, 64 * (i + 1))}`));
}
