import { decodePaymentRequired, encodePaymentRequired, type ExactAuthorization, type Hex } from '@core/x402';
import { Eip3009Verifier, TypedData } from '@platform/chain';
import fc from 'fast-check';
import { hashTypedData } from 'viem';
import { AUTHORIZATION, base64, OFFER, OTHER, SIGNATURE, TOKEN, TRANSFER_TYPES } from './samples.js';

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const word = (value: bigint): string => value.toString(16).padStart(64, '0');

const r = SIGNATURE.slice(2, 66);
const s = SIGNATURE.slice(66, 130);
const signed = (signature: string): ExactAuthorization => ({ ...AUTHORIZATION, signature: `0x${signature}` });

describe('the published vectors of scheme exact', () => {
  let typedData: TypedData;
  let verifier: Eip3009Verifier;
  beforeAll(async () => {
    typedData = await TypedData.create();
    verifier = await Eip3009Verifier.create();
  });

  it('the hash of TransferWithAuthorization is the one in the token contract', () => {
    expect(hex(typedData.transferTypeHash)).toBe('0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267');
  });

  it('the domain separators of USDC are those of Base and Base Sepolia', () => {
    const base = {
      chainId: 8453,
      address: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913',
      name: 'USD Coin',
      version: '2',
    } as const;
    expect(hex(typedData.domainSeparator(TOKEN))).toBe(
      '0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818',
    );
    expect(hex(typedData.domainSeparator(base))).toBe(
      '0x02fa7265e7c5d81118673727957699e4d68f74cd74b7db77da710fe8a2c7834f',
    );
    // Again, now from the cache.
    expect(hex(typedData.domainSeparator(TOKEN))).toBe(
      '0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818',
    );
  });

  it('the digest and the signature are those of the vector', () => {
    expect(hex(typedData.transferWithAuthorizationDigest(TOKEN, AUTHORIZATION))).toBe(
      '0x508c5b65aa60d76ff72b7902910712a269c3d3cd08eb40b286244edae4d70df4',
    );
    expect(verifier.verify(TOKEN, AUTHORIZATION)).toEqual({ valid: true });
  });

  it('a challenge encodes to the text of the vector, byte for byte, and decodes to itself', () => {
    const json =
      '{"x402Version":2,"error":"PAYMENT-SIGNATURE header is required","resource":{"url":"https://api.example.com/v1/compute"},' +
      '"accepts":[{"scheme":"exact","network":"eip155:84532","amount":"10000","asset":"0x036CbD53842c5426634e7929541eC2318f3dCF7e",' +
      '"payTo":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8","maxTimeoutSeconds":300,"extra":{"name":"USDC","version":"2"}}]}';
    const { extra, maxTimeoutSeconds, payTo, asset, amount, network, scheme } = OFFER;
    const text = encodePaymentRequired({
      // Written in another order on purpose: the encoder owns the order.
      accepts: [{ extra, maxTimeoutSeconds, payTo, asset, amount, network, scheme }],
      resource: { url: 'https://api.example.com/v1/compute' },
      error: 'PAYMENT-SIGNATURE header is required',
      x402Version: 2,
    });
    expect(text).toBe(base64(json));
    expect(
      text.startsWith('eyJ4NDAyVmVyc2lvbiI6MiwiZXJyb3IiOiJQQVlNRU5ULVNJR05BVFVSRSBoZWFkZXIgaXMgcmVxdWlyZWQi'),
    ).toBe(true);
    expect(decodePaymentRequired(text)).toEqual({ ok: true, payload: JSON.parse(json) });
  });

  it.each<[string, string]>([
    ['s in the upper half, v flipped', `${r}${word(ORDER - BigInt(`0x${s}`))}1b`],
    ['s in the upper half, v kept', `${r}${word(ORDER - BigInt(`0x${s}`))}1c`],
    ['v 0', `${r}${s}00`],
    ['v 1', `${r}${s}01`],
    ['v 27 for a point of v 28', `${r}${s}1b`],
    ['v 29', `${r}${s}1d`],
    ['compact, 64 bytes', `${r}${word((1n << 255n) | BigInt(`0x${s}`))}`],
    ['66 bytes', `${r}${s}1c00`],
    ['no bytes', ''],
    ['r zero', `${word(0n)}${s}1c`],
    ['s zero', `${r}${word(0n)}1c`],
    ['r of the order and above', `${word(ORDER)}${s}1c`],
    ['an r that is on no point', `${word(5n)}${s}1c`],
  ])('refuses a signature with %s', (_name, signature) => {
    expect(verifier.verify(TOKEN, signed(signature))).toEqual({ valid: false, reason: 'invalid_exact_evm_signature' });
  });

  it.each<[string, Partial<typeof TOKEN>]>([
    ['another chain', { chainId: 8453 }],
    ['another token', { address: OTHER }],
    ['another name', { name: 'USD Coin' }],
    ['another version', { version: '1' }],
  ])('refuses a signature made for %s', (_name, change) => {
    expect(verifier.verify({ ...TOKEN, ...change }, AUTHORIZATION).valid).toBe(false);
  });

  it.each<[string, Partial<ExactAuthorization>]>([
    ['from', { from: `0x${OTHER.slice(2).toLowerCase()}` }],
    ['to', { to: `0x${OTHER.slice(2).toLowerCase()}` }],
    ['value', { value: 10001n }],
    ['value by 2^64', { value: 10000n + (1n << 64n) }],
    ['validAfter', { validAfter: 1n }],
    ['validBefore', { validBefore: 2_000_000_001n }],
    ['nonce', { nonce: `0x${'11'.repeat(31)}12` }],
  ])('refuses an authorization whose %s was changed', (_name, change) => {
    expect(verifier.verify(TOKEN, { ...AUTHORIZATION, ...change }).valid).toBe(false);
    // The buffers are used again: the next one must not see what this one left.
    expect(verifier.verify(TOKEN, AUTHORIZATION).valid).toBe(true);
  });

  it('digests agree with viem on 600 random authorizations of random tokens', () => {
    const bytes = (length: number) =>
      fc
        .uint8Array({ minLength: length, maxLength: length })
        .map((array): Hex => `0x${Buffer.from(array).toString('hex')}`);
    const uint256 = fc.oneof(
      fc.bigInt(0n, 1n << 40n),
      fc.bigInt(0n, (1n << 256n) - 1n),
      fc.constantFrom(0n, (1n << 256n) - 1n, 1n << 64n),
    );
    fc.assert(
      fc.property(
        fc.record({
          chainId: fc.integer({ min: 1, max: 2 ** 31 }),
          address: bytes(20),
          name: fc.string({ unit: 'grapheme', maxLength: 24 }),
          version: fc.string({ maxLength: 4 }),
        }),
        fc.record({
          from: bytes(20),
          to: bytes(20),
          value: uint256,
          validAfter: uint256,
          validBefore: uint256,
          nonce: bytes(32),
        }),
        ({ address, ...domain }, message) => {
          const theirs = hashTypedData({
            domain: { ...domain, verifyingContract: address },
            types: TRANSFER_TYPES,
            primaryType: 'TransferWithAuthorization',
            message,
          });
          expect(hex(typedData.transferWithAuthorizationDigest({ ...domain, address }, message))).toBe(theirs);
        },
      ),
      { numRuns: 600 },
    );
  });
});
