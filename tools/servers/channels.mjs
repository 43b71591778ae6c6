import { compiledContracts } from '../contracts.mjs';
import { rpc, rpcAll } from './rpc.mjs';

// Written by us from the schemes' specifications: the deployed code is nobody's package. The addresses are the genuine ones,
// because the public clients have them built in.

export const BATCH_SETTLEMENT_ADDRESS = '0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003';
export const ERC3009_COLLECTOR_ADDRESS = '0x4020806089470a89826cB9fB1f4059150b550004';
export const PERMIT2_ADDRESS = '0x000000000022D473030F116dDEE9F6B43aC78BA3';
export const UPTO_PROXY_ADDRESS = '0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002';

/** Lays down what channels and ceilings are paid through. */
export async function placeChannels(url) {
  const { BatchSettlement, Erc3009DepositCollector, Permit2, UptoPermit2Proxy } = await compiledContracts();
  const wanted = [
    [BATCH_SETTLEMENT_ADDRESS, BatchSettlement.code],
    [ERC3009_COLLECTOR_ADDRESS, Erc3009DepositCollector.code],
    [PERMIT2_ADDRESS, Permit2.code],
    [UPTO_PROXY_ADDRESS, UptoPermit2Proxy.code],
  ];
  const found = await rpcAll(
    url,
    wanted.map(([address]) => ['eth_getCode', address, 'latest']),
  );
  // A chain taken up again may hold an older compilation; what is in its storage stays as it is.
  const missing = wanted.filter(([, code], i) => code !== found[i]);
  for (const [address, code] of missing) await rpc(url, 'anvil_setCode', address, code);
}
