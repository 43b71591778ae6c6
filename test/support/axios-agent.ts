import axios, { type AxiosInstance } from 'axios';
import { toClientEvmSigner } from '@x402/evm';
import { ExactEvmScheme } from '@x402/evm/exact/client';
import { wrapAxiosWithPaymentFromConfig } from '@x402/axios';
import type { LocalAccount } from 'viem';
import { createPublicClient, http } from 'viem';
import { baseSepolia } from 'viem/chains';

/** An agent whose HTTP client is axios: the public wrapper, unmodified, with a wallet. Any status is an answer to it but 402. */
export function axiosAgentWith(account: LocalAccount, rpcUrl: string): AxiosInstance {
  const signer = toClientEvmSigner(account, createPublicClient({ chain: baseSepolia, transport: http(rpcUrl) }));
  return wrapAxiosWithPaymentFromConfig(axios.create({ validateStatus: (status) => status !== 402 }), {
    schemes: [{ network: 'eip155:84532', client: new ExactEvmScheme(signer) }],
  });
}
