import { performance } from 'node:perf_hooks';
import { decodePaymentRequiredHeader } from '@x402/core/http';
import { ExactEvmScheme } from '@x402/evm';
import { decodePaymentResponseHeader, wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import { privateKeyToAccount } from 'viem/accounts';
import type { Wallet } from './wallets.js';

// What an agent writes: the public x402 packages as they are, a wallet, and requests. Nothing here knows Farebox but the
// two lines that read the payment's id and status for the printout.

export interface Purchase {
  readonly what: string;
  /** Atomic units the challenge asked for. */
  readonly quoted: bigint;
  /** Atomic units charged. */
  readonly paid: bigint;
  /** `pay_…` */
  readonly payment: string;
  /** How far its settlement was when the answer came. */
  readonly status: string;
  readonly statusUrl: string;
  readonly transaction: string;
  readonly milliseconds: number;
}

const FILE_BYTES = 65_536;

const ERRANDS = [
  { what: 'an API call', path: '/hello', init: { method: 'GET' } },
  {
    what: 'a compute job of 1 second',
    path: '/compute',
    init: { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ seconds: 1 }) },
  },
  {
    what: `a file of ${FILE_BYTES} bytes for an hour`,
    path: '/files',
    init: {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(FILE_BYTES).map((_, place) => place % 251),
    },
  },
] as const;

/** Buys what the provider sells, one after the other, and hands out each purchase as it is made. */
export async function* buyEverything(providerUrl: string, wallet: Wallet): AsyncGenerator<Purchase> {
  let quoted = 0n;
  const watched: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    const challenge = answer.headers.get('payment-required');
    if (challenge !== null) quoted = BigInt(decodePaymentRequiredHeader(challenge).accepts[0]?.amount ?? 0);
    return answer;
  };
  const pay = wrapFetchWithPaymentFromConfig(watched, {
    schemes: [{ network: 'eip155:*', client: new ExactEvmScheme(privateKeyToAccount(wallet.privateKey)) }],
  });

  for (const { what, path, init } of ERRANDS) {
    const began = performance.now();
    const answer = await pay(`${providerUrl}${path}`, init);
    const body = await answer.text();
    const milliseconds = Math.round(performance.now() - began);
    const receipt = answer.headers.get('payment-response');
    if (!answer.ok || receipt === null) {
      throw new Error(`The demo agent could not buy ${what}: ${answer.status} ${body.slice(0, 500)}`);
    }
    const { transaction, amount, extensions } = decodePaymentResponseHeader(receipt);
    const { payment, status, statusUrl } = fareboxPart(extensions);
    yield { what, quoted, paid: BigInt(amount ?? 0), payment, status, statusUrl, transaction, milliseconds };
  }
}

function fareboxPart(extensions: unknown): { payment: string; status: string; statusUrl: string } {
  const part: unknown =
    typeof extensions === 'object' && extensions !== null ? Reflect.get(extensions, 'farebox') : undefined;
  const text = (name: string): string => {
    const value: unknown = typeof part === 'object' && part !== null ? Reflect.get(part, name) : undefined;
    return typeof value === 'string' ? value : '';
  };
  return { payment: text('payment'), status: text('status'), statusUrl: text('statusUrl') };
}
