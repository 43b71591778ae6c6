import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client';
import { toClientEvmSigner } from '@x402/evm';
import { decodePaymentResponseHeader, wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import { createPublicClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import type { Wallet } from './wallets.js';

// The other two ways to pay, as an agent writes them: vouchers of a channel with the public client, and a key that spends a balance.

export interface Calls {
  readonly calls: number;
  /** Atomic units charged in all. */
  readonly charged: bigint;
  readonly milliseconds: number;
}

/** Calls the provider by vouchers of a channel; the first call carries the deposit. */
export async function payByChannel(
  providerUrl: string,
  wallet: Wallet,
  chainUrl: string,
  calls: number,
): Promise<Calls & { readonly deposited: bigint }> {
  const chain = createPublicClient({ chain: baseSepolia, transport: http(chainUrl) });
  const signer = toClientEvmSigner(privateKeyToAccount(wallet.privateKey), chain);
  const pay = wrapFetchWithPaymentFromConfig(fetch, {
    schemes: [{ network: 'eip155:*', client: new BatchSettlementEvmScheme(signer) }],
  });
  let deposited = 0n;
  const called = await callOften(calls, async () => {
    const { amount, extra } = await receiptOf(await pay(`${providerUrl}/hello`));
    // The answer to a deposit says what was deposited, the one to a voucher nothing.
    deposited += BigInt(amount === undefined || amount === '' ? 0 : amount);
    const charged: unknown = Reflect.get(extra ?? {}, 'chargedAmount');
    return BigInt(typeof charged === 'string' ? charged : 0);
  });
  return { ...called, deposited };
}

/** Calls the provider by showing a key of an account that has a balance. */
export async function payFromBalance(providerUrl: string, key: string, calls: number): Promise<Calls> {
  return callOften(calls, async () => {
    const answer = await fetch(`${providerUrl}/hello`, { headers: { authorization: `Bearer ${key}` } });
    return BigInt((await receiptOf(answer)).amount ?? 0);
  });
}

async function callOften(calls: number, call: () => Promise<bigint>): Promise<Calls> {
  const began = performance.now();
  let charged = 0n;
  for (let i = 0; i < calls; i += 1) charged += await call();
  return { calls, charged, milliseconds: Math.round(performance.now() - began) };
}

async function receiptOf(answer: Response): Promise<ReturnType<typeof decodePaymentResponseHeader>> {
  const body = await answer.text();
  const receipt = answer.headers.get('payment-response');
  if (answer.ok && receipt !== null) return decodePaymentResponseHeader(receipt);
  throw new Error(`The demo agent could not buy a greeting: ${answer.status} ${body.slice(0, 500)}`);
}
