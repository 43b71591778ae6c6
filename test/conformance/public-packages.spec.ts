import {
  decodePaymentHeader,
  decodePaymentHeaderV1,
  decodePaymentRequired,
  decodeSettlementResponse,
  encodePaymentPayload,
  encodePaymentPayloadV1,
  encodePaymentRequired,
  encodeSettlementResponse,
  exactAuthorizationOf,
  matchesRequirements,
  type PaymentPayload,
  type PaymentRequirements,
  sameJson,
  sameRequirements,
} from '@core/x402';
import { Eip3009Verifier } from '@platform/chain';
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  decodePaymentSignatureHeader,
  encodePaymentRequiredHeader,
  encodePaymentResponseHeader,
  encodePaymentSignatureHeader,
} from '@x402/core/http';
import { isPaymentPayloadV2, isPaymentRequiredV2 } from '@x402/core/schemas';
import { x402ResourceServer } from '@x402/core/server';
import { ExactEvmScheme } from '@x402/evm/exact/client';
import fc from 'fast-check';
import { privateKeyToAccount } from 'viem/accounts';
import { OFFER, SIGNER_KEY, TOKEN } from './samples.js';

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
// NUL and lone surrogates are refused by ours on purpose; see header-strictness.
const words = fc.string({ unit: 'grapheme', maxLength: 16 }).filter((text) => !/[\0\p{Cs}]/u.test(text));
const someWords = words.filter((text) => text.length > 0);
const keys = words.filter((text) => !FORBIDDEN.has(text));
const numbers = fc
  .oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
  .map((number) => (number === 0 ? 0 : number));
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(words, numbers, fc.boolean(), fc.constant(null)),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(keys, tie('json'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));
const jsonObjects = fc.dictionary(keys, json, { maxKeys: 3, noNullPrototype: true });
const atomic = fc.bigInt(0n, (1n << 256n) - 1n).map(String);
const addresses = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes): `0x${string}` => `0x${Buffer.from(bytes).toString('hex')}`);
const networks = fc.oneof(
  fc.integer({ min: 1 }).map((chain): `${string}:${string}` => `eip155:${chain}`),
  fc.constantFrom<`${string}:${string}`>('solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp', 'farebox:credit'),
);
const printable = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 32 });

const resources = fc.record(
  {
    url: fc.webUrl({ size: 'small' }),
    description: words,
    mimeType: words,
    serviceName: printable,
    tags: fc.array(printable, { maxLength: 5 }),
    iconUrl: fc.webUrl({ size: 'small' }),
  },
  { requiredKeys: ['url'] },
);
const offers = fc.record({
  scheme: fc.constantFrom('exact', 'upto', 'batch-settlement'),
  network: networks,
  amount: atomic,
  asset: fc.oneof(addresses, fc.constant('USD')),
  payTo: fc.oneof(addresses, fc.constant('merchant')),
  maxTimeoutSeconds: fc.integer({ min: 1, max: 86_400 }),
  // The public package's type wants `extra`; its wire does not.
  extra: jsonObjects,
});
const challenges = fc.record(
  {
    x402Version: fc.constant(2 as const),
    error: words,
    resource: resources,
    accepts: fc.array(offers, { minLength: 1, maxLength: 3 }),
    extensions: jsonObjects,
  },
  { requiredKeys: ['x402Version', 'resource', 'accepts'] },
);
const payloads = fc.record(
  {
    x402Version: fc.constant(2 as const),
    resource: resources,
    accepted: offers,
    payload: jsonObjects,
    extensions: jsonObjects,
  },
  { requiredKeys: ['x402Version', 'accepted', 'payload'] },
);
const settlements = fc.record(
  {
    success: fc.boolean(),
    errorReason: words,
    errorMessage: words,
    payer: addresses,
    transaction: fc.oneof(fc.constant(''), someWords),
    network: networks,
    amount: fc.oneof(fc.constant(''), atomic),
    extensions: jsonObjects,
    extra: jsonObjects,
  },
  { requiredKeys: ['success', 'transaction', 'network'] },
);

/** Whether a generated payload is within our bounds on keys; theirs has none. */
const countKeys = (value: unknown): number =>
  Array.isArray(value)
    ? value.reduce<number>((sum, item) => sum + countKeys(item), 0)
    : typeof value === 'object' && value !== null
      ? Object.values(value).reduce<number>((sum, item) => sum + 1 + countKeys(item), 0)
      : 0;

describe('our headers and those of the public packages are the same', () => {
  it('PAYMENT-REQUIRED: each side reads what the other wrote, 4,000 challenges', () => {
    fc.assert(
      fc.property(challenges, (challenge) => {
        expect(decodePaymentRequiredHeader(encodePaymentRequired(challenge))).toEqual(challenge);
        expect(isPaymentRequiredV2(challenge)).toBe(true);
        expect(decodePaymentRequired(encodePaymentRequiredHeader(challenge))).toEqual({ ok: true, payload: challenge });
      }),
      { numRuns: 4_000 },
    );
  });

  it('PAYMENT-SIGNATURE: each side reads what the other wrote, 4,000 payloads', () => {
    fc.assert(
      fc.property(
        payloads.filter((payload) => countKeys(payload) <= 64),
        (payload) => {
          expect(decodePaymentSignatureHeader(encodePaymentPayload(payload))).toEqual(payload);
          expect(isPaymentPayloadV2(payload)).toBe(true);
          expect(decodePaymentHeader(encodePaymentSignatureHeader(payload))).toEqual({ ok: true, payload });
        },
      ),
      { numRuns: 4_000 },
    );
  });

  it('PAYMENT-RESPONSE: each side reads what the other wrote, 4,000 settlements', () => {
    fc.assert(
      fc.property(settlements, (settlement) => {
        expect(decodePaymentResponseHeader(encodeSettlementResponse(settlement))).toEqual(settlement);
        expect(decodeSettlementResponse(encodePaymentResponseHeader(settlement))).toEqual({
          ok: true,
          payload: settlement,
        });
      }),
      { numRuns: 4_000 },
    );
  });

  it('X-PAYMENT of version 1 is base64 JSON that the public decoder reads, 1,000 payloads', () => {
    const own = fc.record({
      x402Version: fc.constant(1 as const),
      scheme: fc.constant('exact'),
      network: fc.constantFrom('base', 'base-sepolia'),
      payload: jsonObjects,
    });
    fc.assert(
      fc.property(own, (payload) => {
        const header = encodePaymentPayloadV1(payload);
        expect(decodePaymentSignatureHeader(header)).toEqual(payload);
        expect(decodePaymentHeaderV1(header)).toEqual({ ok: true, payload });
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('matching an offer', () => {
  const server = new x402ResourceServer();
  const theirs = (offer: PaymentRequirements, accepted: PaymentRequirements): boolean => {
    const payload: PaymentPayload = { x402Version: 2, accepted, payload: {} };
    const paid = decodePaymentSignatureHeader(encodePaymentPayload(payload));
    const offered = decodePaymentRequiredHeader(
      encodePaymentRequired({ x402Version: 2, resource: { url: 'https://example.com' }, accepts: [offer] }),
    );
    return server.findMatchingRequirements(offered.accepts, paid) !== undefined;
  };
  const backwards = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(backwards)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, item]) => [key, backwards(item)]),
          )
        : value;
  const changes = fc.oneof(
    fc.constant((offer: PaymentRequirements) => offer),
    fc
      .tuple(keys, json)
      .map(([key, value]) => (offer: PaymentRequirements) => ({ ...offer, extra: { ...offer.extra, [key]: value } })),
    fc.nat(5).map((position) => (offer: PaymentRequirements) => {
      const dropped = Object.keys(offer.extra ?? {})[position];
      return {
        ...offer,
        extra: Object.fromEntries(Object.entries(offer.extra ?? {}).filter(([key]) => key !== dropped)),
      };
    }),
    fc.constant((offer: PaymentRequirements) => ({ ...offer, extra: undefined })),
    fc
      .constantFrom('scheme' as const, 'network' as const, 'amount' as const, 'asset' as const, 'payTo' as const)
      .map((field) => (offer: PaymentRequirements) => ({ ...offer, [field]: `${offer[field]}0` })),
    fc.constant((offer: PaymentRequirements) => ({ ...offer, maxTimeoutSeconds: offer.maxTimeoutSeconds + 1 })),
    offers.map((other) => () => other),
  );
  /** Some offers come without `extra`. */
  const anyOffer = fc.oneof(
    { weight: 5, arbitrary: offers },
    { weight: 1, arbitrary: offers.map((offer) => ({ ...offer, extra: undefined })) },
  );

  it('agrees with the public server on 10,000 generated pairs, whatever the order of keys', () => {
    const seen = { matched: 0, refused: 0 };
    fc.assert(
      fc.property(anyOffer, changes, fc.boolean(), (offer: PaymentRequirements, change, reverse) => {
        const changed = change(offer);
        const accepted = reverse
          ? { ...changed, extra: backwards(changed.extra) as Record<string, unknown> | undefined }
          : changed;
        const ours = matchesRequirements(offer, accepted);
        seen[ours ? 'matched' : 'refused'] += 1;
        // Ours asks for deep equality under each key of the offer, as the protocol's text does; theirs also lets a payer
        // add keys inside objects of `extra`. So the two may differ only where such an object was replaced.
        const replaced = Object.entries(offer.extra ?? {}).some(
          ([key, value]) => typeof value === 'object' && !sameJson(value, accepted.extra?.[key]),
        );
        if (ours || !replaced) expect(theirs(offer, accepted)).toBe(ours);
      }),
      { numRuns: 10_000 },
    );
    expect(seen.matched).toBeGreaterThan(1_000);
    expect(seen.refused).toBeGreaterThan(1_000);
  });

  it('differs where a payer adds keys inside a value of extra: theirs lets it pass, ours does not', () => {
    const offer = { ...OFFER, extra: { name: 'USDC', version: '2', quote: { id: 'q1' } } };
    const accepted = { ...OFFER, extra: { name: 'USDC', version: '2', quote: { id: 'q1', more: true } } };
    expect(theirs(offer, accepted)).toBe(true);
    expect(matchesRequirements(offer, accepted)).toBe(false);
  });

  it('the strict comparison also refuses added keys', () => {
    const more = { ...OFFER, extra: { ...OFFER.extra, own: 1 } };
    expect(matchesRequirements(OFFER, more)).toBe(true);
    expect(sameRequirements(OFFER, more)).toBe(false);
    expect(sameRequirements(OFFER, { ...OFFER, extra: { version: '2', name: 'USDC' } })).toBe(true);
    expect(sameRequirements(OFFER, { ...OFFER, extra: undefined })).toBe(false);
  });
});

describe('the public client', () => {
  it('makes payments that our door reads, matches and verifies', async () => {
    const verifier = await Eip3009Verifier.create();
    const account = privateKeyToAccount(SIGNER_KEY);
    const client = new ExactEvmScheme(account);
    const [offer] = decodePaymentRequiredHeader(
      encodePaymentRequired({ x402Version: 2, resource: { url: 'https://api.example.com' }, accepts: [OFFER] }),
    ).accepts;
    if (!offer) throw new Error('the offer was lost');
    for (let round = 0; round < 10; round += 1) {
      const made = await client.createPaymentPayload(2, offer);
      const header = encodePaymentSignatureHeader({ ...made, accepted: offer });
      const read = decodePaymentHeader(header);
      if (!read.ok) throw new Error(read.message);
      expect(matchesRequirements(OFFER, read.payload.accepted)).toBe(true);
      const exact = exactAuthorizationOf(read.payload);
      if (!exact.ok) throw new Error(exact.message);
      expect(exact.authorization).toMatchObject({ from: account.address.toLowerCase(), value: 10000n });
      expect(verifier.verify(TOKEN, exact.authorization)).toEqual({ valid: true });
    }
  });
});
