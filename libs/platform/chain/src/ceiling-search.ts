import { Fault } from '@core/faults';
import type { AuthorizationEnd, Block, CeilingKey } from '@core/settlement';
import { type Hex, UPTO_CONTRACTS } from '@core/x402';
import { z } from 'zod';
import { type JsonRpc } from './json-rpc.js';
import { hex, logShape, quantityShape, readAnswer, readBlock, toQuantity } from './rpc-shapes.js';
import { TRANSFERRED } from './token-calls.js';
import { nonceIsUsed, nonceWordCall, settlesNonce } from './upto-calls.js';
import { readReceipt } from './usdc-receipts.js';

const transactionShape = z.object({ hash: hex, from: hex, to: hex.nullish(), input: hex });

interface Sought {
  readonly token: Hex;
  readonly payer: Hex;
  readonly ceiling: CeilingKey;
}

/**
 * Finds the settlement of a ceiling. Permit2 reports no use of a nonce, so the token's transfers by the payer are gone through, and
 * their transactions asked whether they called the proxy by this nonce. A settlement leaves a transfer, so none found is none made.
 */
export class CeilingSearch {
  constructor(
    private readonly rpc: JsonRpc,
    private readonly window: bigint,
  ) {}

  /**
   * @returns undefined when the nonce is used and no settlement used it
   * @throws Fault unavailable when any of it cannot be read, or the node has not come to the use yet: a search with a hole in it
   *   finds nothing out
   */
  async settlementOf({ token, payer, ceiling }: Sought, since: bigint): Promise<AuthorizationEnd | undefined> {
    const topics = [TRANSFERRED, `0x${payer.slice(2).padStart(64, '0')}`];
    let upper: Block = readBlock(await this.#ask('eth_getBlockByNumber', 'latest', false));
    await this.#requireUse(payer, ceiling, upper.number);
    for (;;) {
      const from = upper.number > this.window ? upper.number - this.window : 0n;
      const filter = { address: token, topics, fromBlock: toQuantity(from), toBlock: toQuantity(upper.number) };
      const logs = readAnswer(z.array(logShape), await this.#ask('eth_getLogs', filter));
      const hashes = [...new Set(logs.map(({ transactionHash }) => transactionHash))];
      const answers = await this.rpc.all(
        hashes.map((hash) => ({ method: 'eth_getTransactionByHash', params: [hash] })),
      );
      const transactions = answers.map((answer) => readAnswer(transactionShape, answer));
      const settlement = transactions.find(
        (transaction) =>
          transaction.from === ceiling.facilitator &&
          transaction.to === UPTO_CONTRACTS.proxy &&
          settlesNonce(transaction.input, payer, ceiling.nonce),
      );
      if (settlement) {
        const receipt = readReceipt(await this.#ask('eth_getTransactionReceipt', settlement.hash));
        if (!receipt) throw new Fault('unavailable', 'The chain does not have a receipt it should have.');
        return { kind: 'used', receipt };
      }
      if (from === 0n || upper.timestamp < since) return undefined;
      upper = readBlock(await this.#ask('eth_getBlockByNumber', toQuantity(from), false));
    }
  }

  async #requireUse(payer: Hex, ceiling: CeilingKey, at: bigint): Promise<void> {
    const call = { to: UPTO_CONTRACTS.permit2, data: `0x${nonceWordCall(payer, ceiling)}` };
    const word = readAnswer(quantityShape, await this.#ask('eth_call', call, toQuantity(at)));
    if (!nonceIsUsed(word, ceiling))
      throw new Fault('unavailable', 'The chain has not come to the use of a nonce yet.');
  }

  async #ask(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const [answer] = await this.rpc.all([{ method, params }]);
    return answer;
  }
}
