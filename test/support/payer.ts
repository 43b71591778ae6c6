import { randomBytes } from 'node:crypto';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';
import type { ExactAuthorization, Hex, PaymentRequirements } from '@core/x402';
import { TRANSFER_TYPES } from './transfer-types.js';

/** USDC of Base Sepolia, as the local chain has it too. */
export const USDC_ADDRESS = '0x036CbD53842c5426634e7929541eC2318f3dCF7e';
export const USDC_DOMAIN = {
  chainId: 84532,
  address: '0x036cbd53842c5426634e7929541ec2318f3dcf7e',
  name: 'USDC',
  version: '2',
} as const;

const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;

/** A wallet that signs what a test needs it to sign. */
export class Payer {
  readonly account: PrivateKeyAccount;

  constructor(key: Hex = generatePrivateKey()) {
    this.account = privateKeyToAccount(key);
  }

  get address(): Hex {
    return lower(this.account.address);
  }

  async authorize(terms: {
    to: string;
    value: bigint;
    validBefore: bigint;
    validAfter?: bigint;
    nonce?: Hex;
    chainId?: number;
  }): Promise<ExactAuthorization> {
    const message = {
      from: this.account.address,
      to: lower(terms.to),
      value: terms.value,
      validAfter: terms.validAfter ?? 0n,
      validBefore: terms.validBefore,
      nonce: terms.nonce ?? (`0x${randomBytes(32).toString('hex')}` satisfies Hex),
    };
    const signature = await this.account.signTypedData({
      domain: { name: 'USDC', version: '2', chainId: terms.chainId ?? 84532, verifyingContract: USDC_ADDRESS },
      types: TRANSFER_TYPES,
      primaryType: 'TransferWithAuthorization',
      message,
    });
    return { ...message, from: this.address, signature: lower(signature) };
  }

  /** Accepts an offer as the public client does: for its amount, to its payee, for its time-out. */
  async accept(
    offer: PaymentRequirements,
    nowSeconds: number,
    change: { nonce?: Hex; value?: bigint; to?: string; validBefore?: bigint; validAfter?: bigint } = {},
  ): Promise<ExactAuthorization> {
    return this.authorize({
      to: offer.payTo,
      value: BigInt(offer.amount),
      validBefore: BigInt(nowSeconds + offer.maxTimeoutSeconds),
      ...change,
    });
  }
}
