import { encodeFunctionData, keccak256, multicall3Abi, parseAbi, toHex } from 'viem';
import { mnemonicToAccount, privateKeyToAccount } from 'viem/accounts';
import type { Hex } from '@core/x402';
import { TEST_MNEMONIC } from '../../../tools/servers/chain.mjs';
import { rpc } from '../../../tools/servers/rpc.mjs';
import { type LocalUsdc, MULTICALL3_ADDRESS, USDC_ADDRESS } from '../../../tools/servers/usdc.mjs';

export interface Wallet {
  readonly address: Hex;
  readonly key: Hex;
}

const TOKEN = parseAbi([
  'function mint(address to, uint256 amount) returns (bool)',
  'function balanceOf(address) view returns (uint256)',
]);

/** Mints and balances in one transaction or one call; a transaction may use 16.7 million gas. */
const TOGETHER = 150;

/** An account of the chain that takes no part in any payment. */
const STRANGER = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: 8 }).address;

/** Plain wallets that no chain has seen yet. */
export function makeWallets(count: number, name: string): Wallet[] {
  return Array.from({ length: count }, (_, i) => {
    const key = keccak256(toHex(`bench wallet ${name} ${i}`));
    return { key, address: privateKeyToAccount(key).address };
  });
}

/** Gives every wallet that much USDC (atomic units): many mints in one transaction of the genuine contract. */
export async function fund(
  chainUrl: string,
  usdc: LocalUsdc,
  wallets: readonly Wallet[],
  amount: bigint,
): Promise<void> {
  await usdc.call('configureMinter', [MULTICALL3_ADDRESS, 2n ** 120n]);
  for (const page of pages(wallets)) {
    const mints = page.map(({ address }) =>
      encodeFunctionData({ abi: TOKEN, functionName: 'mint', args: [address, amount] }),
    );
    const data = aggregated(mints);
    await rpc(chainUrl, 'eth_sendTransaction', {
      from: STRANGER,
      to: MULTICALL3_ADDRESS,
      data,
      gas: toHex(16_000_000),
    });
    await rpc(chainUrl, 'evm_mine');
  }
  const short = (
    await balances(
      chainUrl,
      wallets.map(({ address }) => address),
    )
  ).filter((balance) => balance < amount);
  if (short.length > 0) throw new Error(`${short.length} of ${wallets.length} wallets were not funded`);
}

/** In atomic units, in the order asked for. */
export async function balances(chainUrl: string, addresses: readonly Hex[]): Promise<bigint[]> {
  const found: bigint[] = [];
  for (const page of pages(addresses)) {
    for (const address of page) {
      const data = encodeFunctionData({ abi: TOKEN, functionName: 'balanceOf', args: [address] });
      found.push(BigInt(String(await rpc(chainUrl, 'eth_call', { to: USDC_ADDRESS, data }, 'latest'))));
    }
  }
  return found;
}

const aggregated = (calls: readonly Hex[]): Hex =>
  encodeFunctionData({
    abi: multicall3Abi,
    functionName: 'aggregate3',
    args: [calls.map((callData) => ({ target: USDC_ADDRESS, allowFailure: false, callData }))],
  });

function* pages<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += TOGETHER) yield items.slice(from, from + TOGETHER);
}
