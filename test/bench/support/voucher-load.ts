import { randomBytes } from 'node:crypto';
import secp256k1 from 'secp256k1';
import {
  BATCH_CONTRACTS,
  type ChannelConfig,
  decodePaymentRequired,
  encodePaymentPayload,
  type Hex,
  type PaymentRequirements,
} from '@core/x402';
import { ChannelTypedData } from '@platform/chain';
import { RawConnection } from './raw-client.js';
import type { Purchase } from './paid-load.js';
import type { Wallet } from './wallets.js';

const CHAIN_ID = 84532;
const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;
const bytes = (text: Hex): Uint8Array => Buffer.from(text.slice(2), 'hex');

/** An agent with one channel at a seller, whichever it is. It signs natively, so that the load costs the machine little. */
export class VoucherBuyer {
  #ceiling = 0n;

  private constructor(
    private readonly url: string,
    private readonly wallet: Wallet,
    private readonly typedData: ChannelTypedData,
    private readonly config: ChannelConfig,
  ) {}

  static async open(sellerUrl: string, wallet: Wallet, deposit: bigint): Promise<VoucherBuyer> {
    const offer = await offerOf(sellerUrl);
    const payer = lower(wallet.address);
    const buyer = new VoucherBuyer(sellerUrl, wallet, await ChannelTypedData.create(CHAIN_ID, BATCH_CONTRACTS), {
      payer,
      payerAuthorizer: payer,
      receiver: lower(offer.payTo),
      receiverAuthorizer: lower(String(offer.extra?.['receiverAuthorizer'])),
      token: lower(offer.asset),
      withdrawDelay: Number(offer.extra?.['withdrawDelay']),
      salt: `0x${randomBytes(32).toString('hex')}`,
    });
    await buyer.#deposit(offer, deposit);
    return buyer;
  }

  async #deposit(offer: PaymentRequirements, amount: bigint): Promise<void> {
    const salt: Hex = `0x${randomBytes(32).toString('hex')}`;
    const validBefore = BigInt(Math.floor(Date.now() / 1000) + offer.maxTimeoutSeconds);
    const token = {
      chainId: CHAIN_ID,
      address: lower(offer.asset),
      name: String(offer.extra?.['name']),
      version: String(offer.extra?.['version']),
    };
    const nonce = this.typedData.depositNonce(this.typedData.channelId(this.config), salt);
    const digest = this.typedData.receiveWithAuthorizationDigest(token, {
      from: this.config.payer,
      value: amount,
      validAfter: 0n,
      validBefore,
      nonce,
    });
    const authorization = {
      erc3009Authorization: {
        validAfter: '0',
        validBefore: validBefore.toString(),
        salt,
        signature: this.#sign(digest),
      },
    };
    const header = this.#header(offer, { type: 'deposit', deposit: { amount: amount.toString(), authorization } });
    const response = await fetch(`${this.url}/hello`, { headers: { 'PAYMENT-SIGNATURE': header } });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`the deposit was answered ${response.status}: ${text}`);
  }

  /** So many further calls, signed one after the other as a client that waits for each answer would. */
  async calls(count: number): Promise<Purchase[]> {
    const offer = await offerOf(this.url);
    const unpaid = request(`${this.url}/hello`, {});
    return Array.from({ length: count }, () => ({
      unpaid,
      paid: request(`${this.url}/hello`, { 'PAYMENT-SIGNATURE': this.#header(offer, { type: 'voucher' }) }),
    }));
  }

  #header(accepted: PaymentRequirements, rest: Readonly<Record<string, unknown>>): string {
    this.#ceiling += BigInt(accepted.amount);
    const channelId = this.typedData.channelId(this.config);
    const voucher = {
      channelId,
      maxClaimableAmount: this.#ceiling.toString(),
      signature: this.#sign(this.typedData.voucherDigest(channelId, this.#ceiling)),
    };
    return encodePaymentPayload({
      x402Version: 2,
      accepted,
      payload: { channelConfig: this.config, voucher, ...rest },
    });
  }

  #sign(digest: Uint8Array): Hex {
    const { signature, recid } = secp256k1.ecdsaSign(digest, bytes(this.wallet.key));
    return `0x${Buffer.from(signature).toString('hex')}${(27 + recid).toString(16)}`;
  }
}

async function offerOf(sellerUrl: string): Promise<PaymentRequirements> {
  const challenge = await fetch(`${sellerUrl}/hello`);
  const read = decodePaymentRequired(challenge.headers.get('payment-required') ?? '');
  const offer = read.ok ? read.payload.accepts.find(({ scheme }) => scheme === 'batch-settlement') : undefined;
  if (!offer) throw new Error(`${sellerUrl} offers no channel`);
  return offer;
}

function request(url: string, headers: Readonly<Record<string, string>>): Buffer {
  const { host, pathname } = new URL(url);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}\r\n`);
}

/** Each buyer on a connection of its own, one call after the other, each from the unpaid asking to the content. @returns calls a second */
export async function callAll(sellerUrl: string, purchases: readonly (readonly Purchase[])[]): Promise<number> {
  const connections = await Promise.all(purchases.map(() => RawConnection.open(sellerUrl)));
  const begun = performance.now();
  await Promise.all(
    connections.map(async (connection, i) => {
      for (const { unpaid, paid } of purchases[i] ?? []) {
        const challenge = await connection.ask(unpaid);
        if (challenge.status !== 402) throw new Error(`an unpaid request was answered ${challenge.status}`);
        const { status, body } = await connection.ask(paid);
        if (status !== 200 || body !== '{"hello":"agent"}')
          throw new Error(`a voucher was answered ${status}: ${body}`);
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  for (const connection of connections) connection.close();
  return purchases.reduce((sum, calls) => sum + calls.length, 0) / seconds;
}
