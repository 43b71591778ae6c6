import { randomBytes } from 'node:crypto';
import secp256k1 from 'secp256k1';
import { hashTypedData } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import {
  decodePaymentRequired,
  decodeSettlementResponse,
  encodePaymentPayload,
  type Hex,
  type PaymentPayload,
  type PaymentRequirements,
} from '@core/x402';
import { headerIn, RawConnection } from './raw-client.js';
import { median } from './report.js';
import type { Wallet } from './wallets.js';
import { TRANSFER_TYPES } from '../../support/transfer-types.js';

/** What a buyer sends: first without a payment, then with it. */
export interface Purchase {
  readonly unpaid: Buffer;
  readonly paid: Buffer;
}

/** A signed payment and the offer it pays. */
export interface SignedPayment {
  readonly offer: PaymentRequirements;
  readonly payload: PaymentPayload;
}

/**
 * Signs payments for one request at a seller, whichever it is: for the `exact` offer it makes now, each with a nonce of its own,
 * the wallets in turn. The first is signed by viem as well, to see that both sign alike; the curve of the rest is native.
 */
export async function signPayments(
  sellerUrl: string,
  wallets: readonly Wallet[],
  count: number,
): Promise<SignedPayment[]> {
  const url = `${sellerUrl}/hello`;
  const challenge = await fetch(url);
  const read = decodePaymentRequired(challenge.headers.get('payment-required') ?? '');
  if (challenge.status !== 402 || !read.ok) throw new Error(`${url} gave no challenge`);
  const { accepts, resource } = read.payload;
  const offer = accepts.find(({ scheme }) => scheme === 'exact');
  if (offer === undefined) throw new Error(`${url} offers nothing`);
  const domain = { name: 'USDC', version: '2', chainId: 84532, verifyingContract: hex(offer.asset) } as const;
  const validBefore = BigInt(Math.floor(Date.now() / 1000) + offer.maxTimeoutSeconds);
  const signed: SignedPayment[] = [];
  for (let i = 0; i < count; i += 1) {
    const wallet = wallets[i % wallets.length];
    if (wallet === undefined) throw new Error('there are no wallets');
    const message = {
      from: wallet.address,
      to: hex(offer.payTo),
      value: BigInt(offer.amount),
      validAfter: 0n,
      validBefore,
      nonce: hex(`0x${randomBytes(32).toString('hex')}`),
    } as const;
    const typedData = { domain, types: TRANSFER_TYPES, primaryType: 'TransferWithAuthorization', message } as const;
    const signature = sign(wallet.key, hashTypedData(typedData));
    if (i === 0 && signature !== (await privateKeyToAccount(wallet.key).signTypedData(typedData))) {
      throw new Error('the native curve signs otherwise than viem');
    }
    const authorization = {
      ...message,
      value: offer.amount,
      validAfter: '0',
      validBefore: validBefore.toString(),
    };
    signed.push({
      offer,
      payload: {
        x402Version: 2,
        ...(resource && { resource }),
        accepted: offer,
        payload: { signature, authorization },
      },
    });
  }
  return signed;
}

/** The same as requests: first without the payment, then with it. */
export async function signPurchases(sellerUrl: string, wallets: readonly Wallet[], count: number): Promise<Purchase[]> {
  const url = `${sellerUrl}/hello`;
  const unpaid = request(url, {});
  const signed = await signPayments(sellerUrl, wallets, count);
  return signed.map(({ payload }) => ({
    unpaid,
    paid: request(url, { 'PAYMENT-SIGNATURE': encodePaymentPayload(payload) }),
  }));
}

const hex = (text: string): Hex => `0x${text.slice(2)}`;

function sign(key: Hex, digest: Hex): Hex {
  const bytes = (text: Hex): Uint8Array => Buffer.from(text.slice(2), 'hex');
  const { signature, recid } = secp256k1.ecdsaSign(bytes(digest), bytes(key));
  return `0x${Buffer.from(signature).toString('hex')}${(27 + recid).toString(16)}`;
}

function request(url: string, headers: Readonly<Record<string, string>>): Buffer {
  const { host, pathname } = new URL(url);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}\r\n`);
}

export interface Bought {
  /** Purchases a second, from the first request to the last answer. */
  readonly perSecond: number;
  /** Milliseconds from the unpaid request to the content. */
  readonly p50: number;
  /** Content received and paid for. */
  readonly served: number;
  /** What was answered instead, with how often. */
  readonly refused: Readonly<Record<string, number>>;
  /** The `extensions.farebox.payment` or, at other sellers, the transaction of each receipt. */
  readonly receipts: readonly string[];
}

/** Buys everything once over so many connections, each of which buys one after the other. */
export async function buy(sellerUrl: string, purchases: readonly Purchase[], connections: number): Promise<Bought> {
  const opened = await Promise.all(Array.from({ length: connections }, () => RawConnection.open(sellerUrl)));
  const times: number[] = [];
  const refused: Record<string, number> = {};
  const heads: string[] = [];
  let next = 0;
  const begun = performance.now();
  await Promise.all(
    opened.map(async (connection) => {
      for (;;) {
        const purchase = purchases[next];
        next += 1;
        if (purchase === undefined) return;
        const started = performance.now();
        const challenge = await connection.ask(purchase.unpaid);
        if (challenge.status !== 402) throw new Error(`an unpaid request was answered ${challenge.status}`);
        const { status, head, body } = await connection.ask(purchase.paid);
        if (status === 200 && body === '{"hello":"agent"}') {
          times.push(performance.now() - started);
          heads.push(head);
        } else {
          const why = `${status} ${reasonIn(head, body)}`;
          refused[why] = (refused[why] ?? 0) + 1;
        }
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  for (const connection of opened) connection.close();
  const receipts = heads.map(receiptIn);
  if (new Set(receipts).size !== receipts.length) throw new Error('two purchases got the same receipt');
  return {
    perSecond: times.length / seconds,
    p50: times.length > 0 ? median(times) : Infinity,
    served: times.length,
    refused,
    receipts,
  };
}

function receiptIn(head: string): string {
  const read = decodeSettlementResponse(headerIn(head, 'payment-response') ?? '');
  if (!read.ok || !read.payload.success) throw new Error('content left without a receipt of its payment');
  const farebox: unknown = read.payload.extensions?.['farebox'];
  const payment: unknown =
    typeof farebox === 'object' && farebox !== null ? Reflect.get(farebox, 'payment') : undefined;
  return typeof payment === 'string' ? payment : read.payload.transaction;
}

function reasonIn(head: string, body: string): string {
  const again = headerIn(head, 'payment-required');
  const read = again === undefined ? undefined : decodePaymentRequired(again);
  return (read?.ok === true ? read.payload.error : undefined) ?? body.slice(0, 160);
}
