import { type ChainHead, ChainReader, type PayerState, type PayerStateRequest } from '@core/settlement';
import type { Clock } from '@core/time';
import type { Hex } from '@core/x402';
import { GroupCommit } from '@platform/database';
import { Fault } from '@core/faults';
import { JsonRpc } from './json-rpc.js';
import { type Call, decodeReturns, encodeCalls, type Returned } from './multicall.js';
import { hex, readAnswer, readBlock } from './rpc-shapes.js';
import { authorizationStateCall, balanceCall, blacklistedCall, PAUSED } from './token-calls.js';

/** Most requests answered by one call: some 300 contract calls, well within what nodes compute for one question. */
const MOST_TOGETHER = 100;

const CODE_KEPT_MS = 60_000;
const CODES_KEPT = 100_000;

export interface UsdcReaderSettings {
  readonly rpcUrl: string;
  readonly multicall: string;
  /** How old the head may be, in milliseconds. */
  readonly pollMs: number;
}

/**
 * Reads what the gate must know of a payer. Requests of the same moment share one `eth_call`. Balance and nonce are asked for each
 * time; what only the token's issuer changes is asked once a block, as seen by `head`.
 */
export class UsdcReader extends ChainReader {
  readonly #rpc: JsonRpc;
  readonly #multicall: Hex;
  readonly #pollMs: number;
  readonly #gathered: GroupCommit<PayerStateRequest, PayerState>;
  readonly #codes = new Map<Hex, { readonly hasCode: boolean; readonly until: number }>();
  /** Answers that hold for as long as the head is the same, by call. */
  readonly #ofThisHead = new Map<string, bigint>();
  #head: ChainHead | undefined;
  #refresh: Promise<ChainHead> | undefined;

  constructor(
    settings: UsdcReaderSettings,
    private readonly clock: Clock,
  ) {
    super();
    this.#rpc = new JsonRpc(settings.rpcUrl);
    this.#multicall = hex.parse(settings.multicall);
    this.#pollMs = settings.pollMs;
    this.#gathered = new GroupCommit((requests) => this.#read(requests), MOST_TOGETHER);
  }

  /**
   * The head, at most twice the poll interval old. After one interval the old one is still given while a new one is fetched,
   * so that no request waits for the chain as long as requests come.
   */
  async head(): Promise<ChainHead> {
    const known = this.#head;
    const age = known ? this.clock.now() - known.fetchedAt : Infinity;
    if (known && age < this.#pollMs) return known;
    this.#refresh ??= this.#fetchHead().finally(() => {
      this.#refresh = undefined;
    });
    if (!known || age >= 2 * this.#pollMs) return this.#refresh;
    this.#refresh.catch(() => undefined);
    return known;
  }

  async #fetchHead(): Promise<ChainHead> {
    const block = readBlock(await this.#rpc.call('eth_getBlockByNumber', 'latest', false));
    if (block.hash !== this.#head?.hash) this.#ofThisHead.clear();
    this.#head = { ...block, fetchedAt: this.clock.now() };
    return this.#head;
  }

  payerState(requests: readonly PayerStateRequest[]): Promise<readonly PayerState[]> {
    return Promise.all(requests.map((request) => this.#gathered.add(request)));
  }

  async #read(requests: readonly PayerStateRequest[]): Promise<PayerState[]> {
    const calls = new DistinctCalls(this.#ofThisHead);
    const places = requests.map(({ token, payer, payTo, nonce }) => ({
      balance: calls.place(token, balanceCall(payer)),
      used: calls.place(token, authorizationStateCall({ token, payer, nonce })),
      payerBlocked: calls.placeOnce(token, blacklistedCall(payer)),
      payToBlocked: calls.placeOnce(token, blacklistedCall(payTo)),
      paused: calls.placeOnce(token, PAUSED),
    }));
    const head = this.#head;
    const now = this.clock.now();
    const strangers = [...new Set(requests.map(({ payer }) => payer))].filter(
      (payer) => (this.#codes.get(payer)?.until ?? 0) <= now,
    );
    const [returned, ...codes] = await this.#rpc.all([
      { method: 'eth_call', params: [{ to: this.#multicall, data: encodeCalls(calls.list) }, 'latest'] },
      ...strangers.map((payer) => ({ method: 'eth_getCode', params: [payer, 'latest'] })),
    ]);
    if (this.#codes.size + strangers.length > CODES_KEPT) this.#codes.clear();
    strangers.forEach((payer, i) => {
      this.#codes.set(payer, { hasCode: readAnswer(hex, codes[i]) !== '0x', until: now + CODE_KEPT_MS });
    });
    const answers = decodeReturns(readAnswer(hex, returned), calls.list.length);
    // Kept for the head at which it was asked, or a later one of the same block.
    if (this.#ofThisHead.size > CODES_KEPT) this.#ofThisHead.clear();
    if (head !== undefined && head.hash === this.#head?.hash)
      for (const [key, place] of calls.once) this.#ofThisHead.set(key, numberIn(answers[place]));
    const read = (place: Place): bigint => (typeof place === 'bigint' ? place : numberIn(answers[place]));
    return places.map(({ balance, used, payerBlocked, payToBlocked, paused }, i) => ({
      balance: read(balance),
      nonceUsed: read(used) !== 0n,
      blocked: read(payerBlocked) !== 0n || read(payToBlocked) !== 0n,
      paused: read(paused) !== 0n,
      // A payer whose code is not known counts as one that has code, which is the careful answer.
      hasCode: this.#codes.get(requests[i]?.payer ?? '0x')?.hasCode ?? true,
    }));
  }
}

/** The index of a call's answer, or the answer that is known already. */
type Place = number | bigint;

/** Calls of one look at the chain, each made once however many requests need its answer. */
class DistinctCalls {
  readonly list: Call[] = [];
  /** Those whose answers are kept, with their place. */
  readonly once = new Map<string, number>();
  readonly #places = new Map<string, number>();

  constructor(private readonly known: ReadonlyMap<string, bigint>) {}

  place(target: Hex, data: string): number {
    const key = target + data;
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    this.#places.set(key, this.list.length);
    return this.list.push({ target, data }) - 1;
  }

  placeOnce(target: Hex, data: string): Place {
    const key = target + data;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const place = this.place(target, data);
    this.once.set(key, place);
    return place;
  }
}

function numberIn(returned: Returned | undefined): bigint {
  if (!returned?.success || returned.data.length !== 64) {
    throw new Fault('unavailable', 'The token does not answer; try again shortly.');
  }
  return BigInt(`0x${returned.data}`);
}
