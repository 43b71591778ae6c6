import {
  type AuthorizationEnd,
  type AuthorizationKey,
  type AuthorizedTransfer,
  type Block,
  type BroadcastAnswer,
  type ChainView,
  type Fees,
  type Market,
  type Receipt,
  SettlementRail,
  type SignedTransaction,
  type Simulation,
} from '@core/settlement';
import { Fault } from '@core/faults';
import { BATCH_CONTRACTS, type BatchContracts, type Hex, UPTO_CONTRACTS } from '@core/x402';
import { z } from 'zod';
import { answerTo } from './broadcast-answers.js';
import { CeilingSearch } from './ceiling-search.js';
import { blockByTag, type Finality, readChainView } from './chain-view.js';
import { depositData } from './channel-calls.js';
import { JsonRpc, RpcRefusal } from './json-rpc.js';
import { type Call, decodeReturns, encodeCalls } from './multicall.js';
import { RelayerKeys } from './relayer-keys.js';
import { blockShape, hex, logShape, quantityShape, readAnswer, readBlock, toQuantity } from './rpc-shapes.js';
import { AUTHORIZATION_CANCELED, AUTHORIZATION_USED, authorizationStateCall, transferCall } from './token-calls.js';
import { nonceIsUsed, nonceWordCall, settleCeilingData } from './upto-calls.js';
import { CEILING_GAS } from './upto-gas.js';
import { readReceipt } from './usdc-receipts.js';

export interface UsdcRailSettings {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly multicall: string;
  /** Private keys. */
  readonly relayerKeys: readonly string[];
  readonly finality: Finality;
  /** Where channels are funded; the genuine ones when left out. */
  readonly contracts?: BatchContracts;
}

/**
 * Gas of the transaction itself, of one transfer at its dearest (a payee that never had any USDC), and of one deposit at its dearest
 * (a channel never funded, 160 k by itself).
 */
const GAS_BASE = 60_000n;
const GAS_PER_TRANSFER = 85_000n;
const GAS_PER_DEPOSIT = 250_000n;
/** No transaction may use more on Base and on other chains since Fusaka (EIP-7825). */
const GAS_CAP = 16_777_216n;
const MOST_PER_TRANSACTION = Number((GAS_CAP - GAS_BASE) / GAS_PER_TRANSFER);

/** Nodes that serve the public answer for so many blocks at once. */
const LOG_WINDOW = 5_000n;

/**
 * Carries USDC by `transferWithAuthorization`, many in one Multicall3 transaction, none of which can revert the rest. A ceiling is
 * settled by a transaction of its own: the proxy wants to be called by the key that the payer named.
 */
export class UsdcRail extends SettlementRail {
  readonly chainId: number;
  readonly signers: readonly Hex[];
  readonly mostPerTransaction = MOST_PER_TRANSACTION;
  readonly #rpc: JsonRpc;
  readonly #keys: RelayerKeys;
  readonly #multicall: Hex;
  readonly #finality: Finality;
  readonly #contracts: BatchContracts;
  readonly ceilingGasLimit = CEILING_GAS;
  readonly #ceilings: CeilingSearch;

  constructor(settings: UsdcRailSettings) {
    super();
    this.chainId = settings.chainId;
    this.#rpc = new JsonRpc(settings.rpcUrl);
    this.#multicall = hex.parse(settings.multicall);
    this.#keys = new RelayerKeys(settings.relayerKeys, settings.chainId);
    this.signers = this.#keys.addresses;
    this.#finality = settings.finality;
    this.#contracts = settings.contracts ?? BATCH_CONTRACTS;
    this.#ceilings = new CeilingSearch(this.#rpc, LOG_WINDOW);
  }

  view(): Promise<ChainView> {
    return readChainView(this.#rpc, this.#finality);
  }

  async blockHashes(numbers: readonly bigint[]): Promise<ReadonlyMap<bigint, Hex>> {
    const answers = await this.#rpc.all(numbers.map((number) => blockByTag(toQuantity(number))));
    const found = answers.map((answer) => readAnswer(blockShape.nullable(), answer));
    return new Map(found.filter((block) => block !== null).map(({ number, hash }) => [number, hash]));
  }

  async simulate(items: readonly AuthorizedTransfer[]): Promise<Simulation> {
    const { from = this.signers[0], to, data, gas } = this.#transactionOf(items);
    const call = { from, to, data, gas: toQuantity(gas) };
    const [answer] = await this.#rpc.all([{ method: 'eth_call', params: [call, 'latest'] }]);
    if (answer instanceof RpcRefusal) return { kind: 'refused', reason: answer.message };
    if (items[0]?.ceiling) return { kind: 'verdicts', passes: [true] };
    return { kind: 'verdicts', passes: decodeReturns(answer, items.length).map(({ success }) => success) };
  }

  /** The call that carries the items; of a ceiling, also from which key. */
  #transactionOf(items: readonly AuthorizedTransfer[]): { from?: Hex; to: Hex; data: Hex; gas: bigint } {
    const [first] = items;
    if (first?.ceiling && items.length === 1) {
      const data = settleCeilingData(first, first.ceiling);
      return { from: first.ceiling.facilitator, to: UPTO_CONTRACTS.proxy, data, gas: CEILING_GAS };
    }
    if (items.some(({ ceiling }) => ceiling)) throw new Fault('invariant_broken', 'a ceiling travels alone');
    const deposits = items.filter(({ deposit }) => deposit !== undefined).length;
    const data = encodeCalls(items.map((item) => this.#call(item)));
    return { to: this.#multicall, data, gas: this.gasLimit(items.length, deposits) };
  }

  #call(item: AuthorizedTransfer): Call {
    if (!item.deposit) return { target: item.token, data: transferCall(item) };
    const { validAfter, validBefore, signature, value, deposit } = item;
    const authorization = { method: 'eip3009', validAfter, validBefore, salt: deposit.salt, signature } as const;
    const data = depositData(deposit.config, { amount: value, authorization }, this.#contracts.erc3009Collector);
    return { target: this.#contracts.settlement, data: data.slice(2) };
  }

  async market(): Promise<Market> {
    const [block, tip] = await this.#rpc.all([
      blockByTag('latest'),
      { method: 'eth_maxPriorityFeePerGas', params: [] },
    ]);
    const baseFee = readAnswer(blockShape, block).baseFeePerGas ?? 0n;
    const priorityFee = readAnswer(quantityShape, tip);
    // A tip of nothing cannot be raised by twelve per cent.
    return { baseFee, priorityFee: priorityFee > 0n ? priorityFee : 1n };
  }

  async balance(signer: Hex): Promise<bigint> {
    return readAnswer(quantityShape, await this.#ask('eth_getBalance', signer, 'latest'));
  }

  gasLimit(items: number, deposits = 0): bigint {
    const limit = GAS_BASE + GAS_PER_TRANSFER * BigInt(items - deposits) + GAS_PER_DEPOSIT * BigInt(deposits);
    return limit < GAS_CAP ? limit : GAS_CAP;
  }

  async sign(plan: {
    signer: Hex;
    nonce: bigint;
    items: readonly AuthorizedTransfer[];
    fees: Fees;
  }): Promise<SignedTransaction> {
    const { from, ...call } = this.#transactionOf(plan.items);
    if (from !== undefined && from !== plan.signer) {
      throw new Fault('invariant_broken', 'a ceiling is settled by the key it names');
    }
    return this.#keys.sign(plan.signer, plan.nonce, call, plan.fees);
  }

  resign(signer: Hex, raw: Hex, fees: Fees): Promise<SignedTransaction> {
    return this.#keys.resign(signer, raw, fees);
  }

  signFiller(signer: Hex, nonce: bigint, fees: Fees): Promise<SignedTransaction> {
    return this.#keys.sign(signer, nonce, 'filler', fees);
  }

  async broadcast(raw: Hex): Promise<BroadcastAnswer> {
    const [answer] = await this.#rpc.all([{ method: 'eth_sendRawTransaction', params: [raw] }]);
    return answer instanceof RpcRefusal ? answerTo(answer.message) : { kind: 'accepted' };
  }

  async receipts(hashes: readonly Hex[]): Promise<readonly (Receipt | undefined)[]> {
    const answers = await this.#rpc.all(
      hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] })),
    );
    return answers.map(readReceipt);
  }

  async nextNonce(signer: Hex, at: 'latest' | bigint): Promise<bigint> {
    const tag = at === 'latest' ? at : toQuantity(at);
    return readAnswer(quantityShape, await this.#ask('eth_getTransactionCount', signer, tag));
  }

  async usedAt(keys: readonly AuthorizationKey[], at: bigint): Promise<readonly boolean[]> {
    if (keys.length === 0) return [];
    const data = encodeCalls(
      keys.map((key) =>
        key.ceiling
          ? { target: UPTO_CONTRACTS.permit2, data: nonceWordCall(key.payer, key.ceiling) }
          : { target: key.token, data: authorizationStateCall(key) },
      ),
    );
    const text = readAnswer(hex, await this.#ask('eth_call', { to: this.#multicall, data }, toQuantity(at)));
    return decodeReturns(text, keys.length).map(({ success, data: used }, i) => {
      // Taking "no answer" for "unused" would be half of a false proof.
      if (!success || used.length !== 64)
        throw new Fault('unavailable', 'The token does not say whether an authorization is used.');
      const word = BigInt(`0x${used}`);
      const ceiling = keys[i]?.ceiling;
      return ceiling ? nonceIsUsed(word, ceiling) : word !== 0n;
    });
  }

  async findEnd(key: AuthorizationKey, since: bigint): Promise<AuthorizationEnd | undefined> {
    const { token, payer, nonce, ceiling } = key;
    if (ceiling) return this.#ceilings.settlementOf({ token, payer, ceiling }, since);
    const payerTopic = `0x${payer.slice(2).padStart(64, '0')}`;
    const topics = [[AUTHORIZATION_USED, AUTHORIZATION_CANCELED], payerTopic, nonce];
    let upper: Block = readBlock(await this.#ask('eth_getBlockByNumber', 'latest', false));
    for (;;) {
      const from = upper.number > LOG_WINDOW ? upper.number - LOG_WINDOW : 0n;
      const filter = { address: token, topics, fromBlock: toQuantity(from), toBlock: toQuantity(upper.number) };
      const [log] = readAnswer(z.array(logShape), await this.#ask('eth_getLogs', filter));
      if (log) {
        const receipt = readReceipt(await this.#ask('eth_getTransactionReceipt', log.transactionHash));
        const kind = log.topics[0] === AUTHORIZATION_USED ? 'used' : 'canceled';
        return receipt && { kind, receipt };
      }
      if (from === 0n || upper.timestamp < since) return undefined;
      upper = readBlock(await this.#ask('eth_getBlockByNumber', toQuantity(from), false));
    }
  }

  async #ask(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const [answer] = await this.#rpc.all([{ method, params }]);
    return answer;
  }
}
