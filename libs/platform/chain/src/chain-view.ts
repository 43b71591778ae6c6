import type { ChainView } from '@core/settlement';
import type { JsonRpc } from './json-rpc.js';
import { readBlock, toQuantity } from './rpc-shapes.js';

/** When a block cannot go away: the chain's own tag, or so many blocks on top. */
export type Finality = 'finalized' | number;

export const blockByTag = (tag: string) => ({ method: 'eth_getBlockByNumber', params: [tag, false] });

/** @throws Fault unavailable */
export async function readChainView(rpc: JsonRpc, finality: Finality): Promise<ChainView> {
  if (finality === 'finalized') {
    const [latest, finalized] = await rpc.all(['latest', 'finalized'].map(blockByTag));
    return { head: readBlock(latest), finalized: readBlock(finalized) };
  }
  const head = readBlock(await rpc.call('eth_getBlockByNumber', 'latest', false));
  const depth = BigInt(finality);
  const height = head.number > depth ? head.number - depth : 0n;
  return { head, finalized: readBlock(await rpc.call('eth_getBlockByNumber', toQuantity(height), false)) };
}
