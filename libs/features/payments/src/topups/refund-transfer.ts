import { createHash } from 'node:crypto';
import type { PaymentAsset } from '@core/payments';
import type { ExactAuthorization, Hex } from '@core/x402';

/** The transfer that sends a refund: all of it but the signature and its end. */
export type RefundTransfer = Omit<ExactAuthorization, 'signature' | 'validBefore'>;

/** One nonce for each attempt of a refund: the token itself lets no attempt move twice. */
export const refundNonce = (refund: string, attempt: number): Hex =>
  `0x${createHash('sha256').update(`refund\n${refund}\n${attempt}\n`).digest('hex')}`;

/** EIP-712 typed data, as wallets sign it (`eth_signTypedData_v4`). */
export interface RefundTypedData {
  readonly domain: {
    readonly name: string;
    readonly version: string;
    readonly chainId: number;
    readonly verifyingContract: string;
  };
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  readonly primaryType: 'TransferWithAuthorization';
  readonly message: Readonly<Record<keyof Omit<ExactAuthorization, 'signature'>, string>>;
}

const TYPES = {
  TransferWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const;

export const refundTypedData = (
  { domain, displayAddress }: PaymentAsset,
  transfer: RefundTransfer,
  validBefore: bigint,
): RefundTypedData => ({
  domain: {
    name: domain.name,
    version: domain.version,
    chainId: domain.chainId,
    verifyingContract: displayAddress,
  },
  types: TYPES,
  primaryType: 'TransferWithAuthorization',
  message: {
    from: transfer.from,
    to: transfer.to,
    value: transfer.value.toString(),
    validAfter: transfer.validAfter.toString(),
    validBefore: validBefore.toString(),
    nonce: transfer.nonce,
  },
});
