import { toClientEvmSigner } from '@x402/evm';
import { ExactEvmScheme } from '@x402/evm/exact/client';
import { ExactEvmSchemeV1 } from '@x402/evm/exact/v1/client';
import { wrapFetchWithPayment, x402Client } from '@x402/fetch';
import type { LocalAccount } from 'viem';
import { createPublicClient, http } from 'viem';
import { baseSepolia } from 'viem/chains';

type Fetch = typeof globalThis.fetch;

/** An agent as agents are: the public client packages, unmodified, with a wallet. */
export function agentWith(account: LocalAccount, rpcUrl: string, fetchThrough: Fetch = fetch): Fetch {
  const signer = toClientEvmSigner(account, createPublicClient({ chain: baseSepolia, transport: http(rpcUrl) }));
  return wrapFetchWithPayment(fetchThrough, new x402Client().register('eip155:84532', new ExactEvmScheme(signer)));
}

/** The same with a client that knows only protocol version 1: it reads the challenge from the body and pays with X-PAYMENT. */
export function agentV1With(account: LocalAccount, rpcUrl: string, fetchThrough: Fetch = fetch): Fetch {
  const signer = toClientEvmSigner(account, createPublicClient({ chain: baseSepolia, transport: http(rpcUrl) }));
  const blindToV2: Fetch = async (input, init) => {
    const response = await fetchThrough(input, init);
    if (response.status !== 402) return response;
    const headers = new Headers(response.headers);
    headers.delete('PAYMENT-REQUIRED');
    return new Response(await response.text(), { status: 402, headers });
  };
  return wrapFetchWithPayment(blindToV2, new x402Client().registerV1('base-sepolia', new ExactEvmSchemeV1(signer)));
}
