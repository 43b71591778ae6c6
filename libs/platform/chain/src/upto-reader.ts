import { Fault } from '@core/faults';
import { CeilingReader, type CeilingState } from '@core/settlement';
import { type Hex, UPTO_CONTRACTS, type UptoAuthorization } from '@core/x402';
import { GroupCommit } from '@platform/database';
import { JsonRpc, RpcRefusal } from './json-rpc.js';
import { decodeReturns, encodeCalls, type Returned } from './multicall.js';
import { hex, readAnswer, toQuantity } from './rpc-shapes.js';
import { balanceCall, blacklistedCall, PAUSED } from './token-calls.js';
import { allowanceCall, nonceIsUsed, nonceWordCall, PROXY_PERMIT2, settleWholeData } from './upto-calls.js';
import { CEILING_GAS } from './upto-gas.js';

/** Most ceilings answered by one request: each is simulated by itself. */
const MOST_TOGETHER = 25;

const CALLS = 7;

export interface UptoReaderSettings {
  readonly rpcUrl: string;
  readonly multicall: string;
}

/** Reads what the gate must know of a signed ceiling, and whether its settlement would pass now. Nothing is kept: all of it may change. */
export class UptoReader extends CeilingReader {
  readonly #rpc: JsonRpc;
  readonly #multicall: Hex;
  readonly #gathered: GroupCommit<UptoAuthorization, CeilingState>;

  constructor(settings: UptoReaderSettings) {
    super();
    this.#rpc = new JsonRpc(settings.rpcUrl);
    this.#multicall = hex.parse(settings.multicall);
    this.#gathered = new GroupCommit((asked) => this.#read(asked), MOST_TOGETHER);
  }

  state(authorization: UptoAuthorization): Promise<CeilingState> {
    return this.#gathered.add(authorization);
  }

  async #read(asked: readonly UptoAuthorization[]): Promise<CeilingState[]> {
    const data = encodeCalls(asked.flatMap(callsFor));
    const answers = await this.#rpc.all([
      { method: 'eth_call', params: [{ to: this.#multicall, data }, 'latest'] },
      ...asked.map(({ from }) => ({ method: 'eth_getCode', params: [from, 'latest'] })),
      ...asked.map((authorization) => ({
        method: 'eth_call',
        params: [
          {
            from: authorization.facilitator,
            to: UPTO_CONTRACTS.proxy,
            data: settleWholeData(authorization),
            gas: toQuantity(CEILING_GAS),
          },
          'latest',
        ],
      })),
    ]);
    const returned = decodeReturns(readAnswer(hex, answers[0]), asked.length * CALLS);
    return asked.map((authorization, i) => {
      const [balance, allowance, word, payerBlocked, payToBlocked, paused, permit2] = returned.slice(i * CALLS);
      return {
        balance: numberIn(balance),
        allowance: numberIn(allowance),
        // Without Permit2 there is no word of nonces; then nothing else matters.
        nonceUsed: word?.data.length === 64 && nonceIsUsed(numberIn(word), authorization),
        blocked: numberIn(payerBlocked) !== 0n || numberIn(payToBlocked) !== 0n,
        paused: numberIn(paused) !== 0n,
        hasCode: readAnswer(hex, answers[1 + i]) !== '0x',
        deployed: word?.data.length === 64 && permit2?.data.endsWith(UPTO_CONTRACTS.permit2.slice(2)) === true,
        passes: passed(answers[1 + asked.length + i]),
      };
    });
  }
}

const callsFor = ({ token, from, to, nonce }: UptoAuthorization) => [
  { target: token, data: balanceCall(from) },
  { target: token, data: allowanceCall(from) },
  { target: UPTO_CONTRACTS.permit2, data: nonceWordCall(from, { nonce }) },
  { target: token, data: blacklistedCall(from) },
  { target: token, data: blacklistedCall(to) },
  { target: token, data: PAUSED },
  { target: UPTO_CONTRACTS.proxy, data: PROXY_PERMIT2 },
];

/** A node that refuses a simulation says that it reverts; anything else it does not answer is a fault. */
function passed(answer: unknown): boolean {
  if (answer instanceof RpcRefusal) {
    if (answer.code === 3 || /revert|out of gas/i.test(answer.message)) return false;
    throw new Fault('unavailable', 'The chain cannot answer now; try again shortly.', { cause: answer });
  }
  readAnswer(hex, answer);
  return true;
}

function numberIn(returned: Returned | undefined): bigint {
  if (!returned?.success || returned.data.length !== 64) {
    throw new Fault('unavailable', 'The token does not answer; try again shortly.');
  }
  return BigInt(`0x${returned.data}`);
}
