import {
  encodePaymentPayload,
  type ExactAuthorization,
  type Hex,
  type PaymentPayload,
  type PaymentRequirements,
  type TokenDomain,
} from '@core/x402';

/** Address of the well-known development key that signed the protocol's published vectors. */
export const SIGNER = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266';
export const SIGNER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
export const PAY_TO = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8';
export const OTHER = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC';

export const TOKEN: TokenDomain = {
  chainId: 84532,
  address: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
  name: 'USDC',
  version: '2',
};

export const OFFER: PaymentRequirements = {
  scheme: 'exact',
  network: 'eip155:84532',
  amount: '10000',
  asset: TOKEN.address,
  payTo: PAY_TO,
  maxTimeoutSeconds: 300,
  extra: { name: 'USDC', version: '2' },
};

export const SIGNATURE: Hex =
  '0xd6f621c8795d5a591106925400f9e441cd7b3237689fa98325e2a246548254895f4ae3e2a584ec5139873aaed8433bae4fd80ced953eb81b087707c10464189a1c';

export const AUTHORIZATION: ExactAuthorization = {
  from: `0x${SIGNER.slice(2).toLowerCase()}`,
  to: `0x${PAY_TO.slice(2).toLowerCase()}`,
  value: 10000n,
  validAfter: 0n,
  validBefore: 2_000_000_000n,
  nonce: `0x${'11'.repeat(32)}`,
  signature: SIGNATURE,
};

export const PAYLOAD: PaymentPayload = {
  x402Version: 2,
  resource: { url: 'https://api.example.com/v1/compute' },
  accepted: OFFER,
  payload: {
    signature: SIGNATURE,
    authorization: {
      from: SIGNER,
      to: PAY_TO,
      value: '10000',
      validAfter: '0',
      validBefore: '2000000000',
      nonce: AUTHORIZATION.nonce,
    },
  },
};

export const HEADER = encodePaymentPayload(PAYLOAD);

export const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
export const textOf = (header: string): string => Buffer.from(header, 'base64').toString('utf8');

export { TRANSFER_TYPES } from '../support/transfer-types.js';
