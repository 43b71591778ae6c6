import type { ChannelConfig, Hex, Voucher } from '@core/x402';
import { ChannelAuthorizer, ChannelTypedData, ChannelVerifier } from '@platform/chain';
import { CHAIN_ID, CHANNEL, CHANNEL_ID, CONTRACTS, DEPOSIT, DEPOSIT_SALT, VOUCHER } from './batch-samples.js';
import { OTHER, SIGNER, SIGNER_KEY, TOKEN } from './samples.js';

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const word = (value: bigint): string => value.toString(16).padStart(64, '0');

const r = VOUCHER.signature.slice(2, 66);
const s = VOUCHER.signature.slice(66, 130);
const BAD = { valid: false, reason: 'invalid_batch_settlement_evm_voucher_signature' };
const ELSEWHERE = { valid: false, reason: 'invalid_batch_settlement_evm_channel_id_mismatch' };
const BAD_DEPOSIT = { valid: false, reason: 'invalid_batch_settlement_evm_receive_authorization_signature' };

describe('the published vectors of scheme batch-settlement', () => {
  let typedData: ChannelTypedData;
  let verifier: ChannelVerifier;
  beforeAll(async () => {
    typedData = await ChannelTypedData.create(CHAIN_ID, CONTRACTS);
    verifier = await ChannelVerifier.create(CHAIN_ID, CONTRACTS);
  });

  it('domain separators are those of Base Sepolia and Base', async () => {
    const base = await ChannelTypedData.create(8453, CONTRACTS);
    expect(hex(typedData.domainSeparator())).toBe('0xfdef80764086b1e0fc6ba99f0cb9aa1d59109fda7c23d60334c89d2de44dffce');
    expect(hex(base.domainSeparator())).toBe('0xd8d982716899b0e20cf2c1e706a37b8a892c83fdd4ac9b540cfeec11f9c73a39');
  });

  it('the channel id, the deposit nonce and every digest are those of the vectors', () => {
    expect(verifier.channelId(CHANNEL)).toBe(CHANNEL_ID);
    expect(verifier.depositNonce(CHANNEL_ID, DEPOSIT_SALT)).toBe(
      '0x82963d2415381d8add8e80fa51879485444081b837a9b8a7a5b58449bcaaa3f8',
    );
    expect(hex(typedData.voucherDigest(CHANNEL_ID, 10_000n))).toBe(
      '0x5630568bbadcec95fd843a744823c0a5bb02329cef6e3cdd039510584cb671e9',
    );
    expect(hex(typedData.refundDigest(CHANNEL_ID, 0n, 500n))).toBe(
      '0xc3a640ecdf881a2693c2be9bfa454a83371a98ea7c183e92e65b3ccfef87f145',
    );
    expect(
      hex(typedData.claimBatchDigest([{ channelId: CHANNEL_ID, maxClaimable: 10_000n, totalClaimed: 700n }])),
    ).toBe('0x10fcb8ca59adcaf62169bdd906df77e154e3dd37c47ee1a6881f2fb23dc1f890');
    expect(
      hex(
        typedData.receiveWithAuthorizationDigest(TOKEN, {
          from: lower(SIGNER),
          value: 100_000n,
          validAfter: 0n,
          validBefore: 2_000_000_000n,
          nonce: verifier.depositNonce(CHANNEL_ID, DEPOSIT_SALT),
        }),
      ),
    ).toBe('0xacdde5ae35325af1d18734f733a9e96d5d1cb9613163fff9a6bbb4be74ad75bf');
  });

  it('our authorizer signs claims and refunds byte for byte as the vectors do', async () => {
    const authorizer = await ChannelAuthorizer.create(SIGNER_KEY, CHAIN_ID, CONTRACTS);
    expect(authorizer.address).toBe(lower(SIGNER));
    expect(authorizer.signRefund(CHANNEL_ID, 0n, 500n)).toBe(
      '0xf61f2dbaecebbd63870ac22d04dbf56f0f6145cff2566763ee0373da310429c11de857971b7d8bcbd36fb1f4a41eaea5abb7fdcdae444d1b02ba4179ca7f55291c',
    );
    expect(authorizer.signClaims([{ channelId: CHANNEL_ID, maxClaimable: 10_000n, totalClaimed: 700n }])).toBe(
      '0x9b3e97641515d07991d37ccdfd7b009c518f6da847c1bb50c93f48513097192e2fb9c73eb510e471c52469c5ac7980dcdf4bf3d4853092fb887590a859a6687c1c',
    );
  });

  it.each(['', '0x', '0x12', `0x${'00'.repeat(32)}`, `0x${'ff'.repeat(32)}`, 'secret'])(
    'the key %p is refused without being shown',
    async (key) => {
      const made = ChannelAuthorizer.create(key, CHAIN_ID, CONTRACTS);
      await expect(made).rejects.toThrow(/^CHANNEL_AUTHORIZER_KEY: expected a private key, 0x and 64 hex digits$/);
    },
  );

  it('takes the voucher and the deposit of the vectors', () => {
    expect(verifier.voucher(CHANNEL, VOUCHER)).toEqual({ valid: true });
    expect(verifier.deposit(TOKEN, CHANNEL, DEPOSIT)).toEqual({ valid: true });
  });

  it('a config without a payer authorizer is signed for by the payer', () => {
    const config: ChannelConfig = { ...CHANNEL, payerAuthorizer: `0x${'00'.repeat(20)}` };
    const channelId = verifier.channelId(config);
    expect(verifier.voucher(config, { ...VOUCHER, channelId })).toEqual(BAD);
    expect(verifier.voucher(config, VOUCHER)).toEqual(ELSEWHERE);
  });

  it.each<[string, string]>([
    ['s in the upper half, v flipped', `${r}${word(ORDER - BigInt(`0x${s}`))}1b`],
    ['s in the upper half, v kept', `${r}${word(ORDER - BigInt(`0x${s}`))}1c`],
    ['v 0', `${r}${s}00`],
    ['v 1', `${r}${s}01`],
    ['v 27 for a point of v 28', `${r}${s}1b`],
    ['v 29', `${r}${s}1d`],
    ['compact, 64 bytes', `${r}${word((1n << 255n) | BigInt(`0x${s}`))}`],
    ['64 bytes without v', `${r}${s}`],
    ['66 bytes', `${r}${s}1c00`],
    ['no bytes', ''],
    ['r zero', `${word(0n)}${s}1c`],
    ['s zero', `${r}${word(0n)}1c`],
    ['r of the order', `${word(ORDER)}${s}1c`],
    ['an r that is on no point', `${word(5n)}${s}1c`],
  ])('refuses a signature with %s', (_name, signature) => {
    expect(verifier.voucher(CHANNEL, { ...VOUCHER, signature: `0x${signature}` })).toEqual(BAD);
    const authorization = { ...DEPOSIT.authorization, signature: `0x${signature}` } as const;
    expect(verifier.deposit(TOKEN, CHANNEL, { ...DEPOSIT, authorization })).toEqual(BAD_DEPOSIT);
  });

  it('refuses a voucher made for another chain or another contract', async () => {
    const base = await ChannelVerifier.create(8453, CONTRACTS);
    expect(base.voucher(CHANNEL, VOUCHER)).toEqual(ELSEWHERE);
    expect(base.voucher(CHANNEL, { ...VOUCHER, channelId: base.channelId(CHANNEL) })).toEqual(BAD);
    const moved = await ChannelVerifier.create(CHAIN_ID, { ...CONTRACTS, settlement: lower(OTHER) });
    expect(moved.voucher(CHANNEL, { ...VOUCHER, channelId: moved.channelId(CHANNEL) })).toEqual(BAD);
  });

  const FIELDS: [keyof ChannelConfig, Partial<ChannelConfig>][] = [
    ['payer', { payer: lower(OTHER) }],
    ['payerAuthorizer', { payerAuthorizer: lower(OTHER) }],
    ['receiver', { receiver: lower(OTHER) }],
    ['receiverAuthorizer', { receiverAuthorizer: lower(SIGNER) }],
    ['token', { token: lower(OTHER) }],
    ['withdrawDelay', { withdrawDelay: 901 }],
    ['salt', { salt: `0x${'00'.repeat(31)}01` }],
  ];

  it.each(FIELDS)('a config with another %s is another channel', (_name, change) => {
    const config = { ...CHANNEL, ...change };
    expect(verifier.voucher(config, VOUCHER)).toEqual(ELSEWHERE);
    expect(verifier.voucher(config, { ...VOUCHER, channelId: verifier.channelId(config) })).toEqual(BAD);
    // The buffers are used again: the next one must not see what this one left.
    expect(verifier.voucher(CHANNEL, VOUCHER)).toEqual({ valid: true });
  });

  it.each<[string, Partial<Voucher>]>([
    ['ceiling', { maxClaimable: 10_001n }],
    ['ceiling by 2^64', { maxClaimable: 10_000n + (1n << 64n) }],
  ])('refuses a voucher whose %s was changed', (_name, change) => {
    expect(verifier.voucher(CHANNEL, { ...VOUCHER, ...change })).toEqual(BAD);
    expect(verifier.voucher(CHANNEL, VOUCHER)).toEqual({ valid: true });
  });

  it.each<[string, Partial<typeof DEPOSIT>, Partial<typeof DEPOSIT.authorization>]>([
    ['amount', { amount: 100_001n }, {}],
    ['validAfter', {}, { validAfter: 1n }],
    ['validBefore', {}, { validBefore: 2_000_000_001n }],
    ['salt', {}, { salt: `0x${'22'.repeat(31)}23` }],
  ])('refuses a deposit whose %s was changed', (_name, change, authorization) => {
    const changed = { ...DEPOSIT, ...change, authorization: { ...DEPOSIT.authorization, ...authorization } };
    expect(verifier.deposit(TOKEN, CHANNEL, changed)).toEqual(BAD_DEPOSIT);
  });

  it('refuses a deposit of a token that is not the one of the channel', () => {
    const mismatch = { valid: false, reason: 'invalid_batch_settlement_evm_token_mismatch' };
    expect(verifier.deposit({ ...TOKEN, address: OTHER }, CHANNEL, DEPOSIT)).toEqual(mismatch);
    expect(verifier.deposit({ ...TOKEN, chainId: 8453 }, CHANNEL, DEPOSIT)).toEqual(mismatch);
    expect(verifier.deposit({ ...TOKEN, name: 'USD Coin' }, CHANNEL, DEPOSIT)).toEqual(BAD_DEPOSIT);
  });
});
