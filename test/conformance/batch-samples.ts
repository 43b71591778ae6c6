import { BATCH_CONTRACTS, type ChannelConfig, type Erc3009Deposit, type Hex, type Voucher } from '@core/x402';
import { OTHER, PAY_TO, SIGNER, TOKEN } from './samples.js';

const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;

export const CHAIN_ID = 84532;

/** The channel of the protocol's published vectors. */
export const CHANNEL: ChannelConfig = {
  payer: lower(SIGNER),
  payerAuthorizer: lower(SIGNER),
  receiver: lower(PAY_TO),
  receiverAuthorizer: lower(OTHER),
  token: lower(TOKEN.address),
  withdrawDelay: 900,
  salt: `0x${'00'.repeat(32)}`,
};

export const CHANNEL_ID: Hex = '0x29ccd7626a1289e60f2284c95763b20cf4a944f591a4f613133e6cf22eb9196d';

export const VOUCHER: Voucher = {
  channelId: CHANNEL_ID,
  maxClaimable: 10_000n,
  signature:
    '0x86d4aa709e395d28dc3b0dfe63993452688621cf7db39e0c420c0679297fc89a2c5fb76320d011ac5a100048ae287f84802d995008d5db09f08a887006a1fd031c',
};

export const DEPOSIT_SALT: Hex = `0x${'22'.repeat(32)}`;

export const DEPOSIT: { readonly amount: bigint; readonly authorization: Erc3009Deposit } = {
  amount: 100_000n,
  authorization: {
    method: 'eip3009',
    validAfter: 0n,
    validBefore: 2_000_000_000n,
    salt: DEPOSIT_SALT,
    signature:
      '0x2c8dafa03437b6897c5fc492582cf6194b6aa31b7cf5551cacd917eb99150071272e1b7b139b030602fdeacddd222389a7d94b4d361c0f27a224983f3b8d18771c',
  },
};

/** Where the public packages believe the contracts to be. */
export const CONTRACTS = BATCH_CONTRACTS;
