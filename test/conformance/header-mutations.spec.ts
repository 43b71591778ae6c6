import {
  decodePaymentHeader,
  encodePaymentPayload,
  exactAuthorizationOf,
  matchesRequirements,
  type PaymentPayload,
} from '@core/x402';
import { Eip3009Verifier } from '@platform/chain';
import fc from 'fast-check';
import { keccak256, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { base64, OFFER, PAY_TO, textOf, TOKEN, TRANSFER_TYPES } from './samples.js';

const SEEDS = 60;
const MUTATIONS = 24_000;

interface Seed {
  readonly header: string;
  /** Payer and nonce; the token is the offer's. */
  readonly identity: string;
}

async function makeSeed(index: number): Promise<Seed> {
  const account = privateKeyToAccount(keccak256(toHex(`seed ${index}`)));
  const nonce = keccak256(toHex(`nonce ${index}`));
  const { chainId, address, name, version } = TOKEN;
  const message = {
    from: account.address,
    to: PAY_TO,
    value: 10000n,
    validAfter: BigInt(index),
    validBefore: 2_000_000_000n,
    nonce,
  } as const;
  const signature = await account.signTypedData({
    domain: { name, version, chainId, verifyingContract: address },
    types: TRANSFER_TYPES,
    primaryType: 'TransferWithAuthorization',
    message,
  });
  const payload: PaymentPayload = {
    x402Version: 2,
    ...(index % 2 === 0
      ? { resource: { url: 'https://api.example.com/v1/compute?n=10000', description: 'Zürich → ☂' } }
      : {}),
    accepted: OFFER,
    payload: {
      signature,
      authorization: { ...message, value: '10000', validAfter: String(index), validBefore: '2000000000' },
    },
    ...(index % 3 === 0 ? { extensions: { 'payment-identifier': { info: { id: `pay_${index}` } } } } : {}),
  };
  return { header: encodePaymentPayload(payload), identity: `${account.address.toLowerCase()} ${nonce}` };
}

/** A place in a text as a share of its length, so that it fits every seed. */
const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const at = (text: string, share: number): number => Math.floor(share * text.length);
type Edit = (text: string) => string;

/** Edits of any text: of the header itself, or of the JSON inside it. */
const edits = (alphabet: readonly string[]): fc.Arbitrary<Edit> =>
  fc.oneof(
    fc.tuple(place, fc.constantFrom(...alphabet)).map(
      ([share, put]): Edit =>
        (text) =>
          text.slice(0, at(text, share)) + put + text.slice(at(text, share) + 1),
    ),
    fc.tuple(place, fc.constantFrom(...alphabet)).map(
      ([share, put]): Edit =>
        (text) =>
          text.slice(0, at(text, share)) + put + text.slice(at(text, share)),
    ),
    fc.tuple(place, fc.integer({ min: 1, max: 6 })).map(
      ([share, count]): Edit =>
        (text) =>
          text.slice(0, at(text, share)) + text.slice(at(text, share) + count),
    ),
    place.map(
      (share): Edit =>
        (text) =>
          text.slice(0, at(text, share)),
    ),
    fc.tuple(place, place).map(
      ([from, to]): Edit =>
        (text) =>
          text + text.slice(at(text, Math.min(from, to)), at(text, Math.max(from, to))),
    ),
    fc.tuple(place, fc.integer({ min: 1, max: 8 })).map(([share, count]): Edit => (text) => {
      const start = at(text, share);
      const part = text.slice(start, start + count);
      return (
        text.slice(0, start) +
        (part === part.toLowerCase() ? part.toUpperCase() : part.toLowerCase()) +
        text.slice(start + count)
      );
    }),
  );

const onHeader = edits([...'ABCxyz019+/=-_ \n*é\0']);
const inJson = edits([
  ...'"{}[]:,\\/ 019aAfFxnt-+.eé\0',
  '"a":1,',
  '"value":"1",',
  '"nonce":"0x00",',
  '\\u0061',
  '  ',
  '00',
  'null',
]).map(
  (edit): Edit =>
    (header) =>
      base64(edit(textOf(header))),
);

/** Edits that know the form: the tricks by which one payment could be made to look like two. */
const wholeJson =
  (change: (text: string) => string): Edit =>
  (header) =>
    base64(change(textOf(header)));
const keysOfSample = [
  'x402Version',
  'accepted',
  'payload',
  'signature',
  'authorization',
  'from',
  'to',
  'value',
  'validAfter',
  'validBefore',
  'nonce',
  'amount',
  'payTo',
];
const tricks: fc.Arbitrary<Edit> = fc.oneof(
  fc.constant(wholeJson((text) => JSON.stringify(JSON.parse(text), undefined, 1))),
  fc.constant(wholeJson((text) => text.replace(/0x[0-9a-fA-F]{64}"/g, (hex) => `0x${hex.slice(2).toUpperCase()}`))),
  fc.constant(
    wholeJson((text) =>
      text.replace(/"from":"0x([0-9a-fA-F]{40})"/, (_all, digits: string) => `"from":"0x${digits.toUpperCase()}"`),
    ),
  ),
  fc.constant(wholeJson((text) => text.replace(/1([bc])"/, (_all, v: string) => (v === 'b' ? '00"' : '01"')))),
  fc.constant(wholeJson((text) => text.replace(/"nonce":"0x/, '"nonce":"0X'))),
  fc.constant(wholeJson((text) => text.replace(/"x402Version":2/, '"x402Version":2.0'))),
  fc.constant((header: string) => header.replace(/=+$/, '')),
  fc
    .constantFrom('value', 'validAfter', 'validBefore')
    .chain((key) =>
      fc
        .constantFrom('0', ' ', '+', '-', '0x')
        .map((before) => wholeJson((text) => text.replace(`"${key}":"`, `"${key}":"${before}`))),
    ),
  fc
    .tuple(fc.constantFrom(...keysOfSample), fc.constantFrom('null', '""', '"1"', '{}', '[]'))
    .map(([key, value]) => wholeJson((text) => text.replace(`"${key}":`, `"${key}":${value},"${key}":`))),
  fc
    .tuple(fc.constantFrom(...keysOfSample), fc.constantFrom('null', '""', '"1"', '0', '{}', '[]'))
    .map(([key, value]) =>
      wholeJson((text) => text.replace(new RegExp(`"${key}":("[^"]*"|\\d+)`), `"${key}":${value}`)),
    ),
  fc
    .constantFrom(...keysOfSample)
    .map((key) =>
      wholeJson((text) => text.replace(`"${key}"`, `"\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}"`)),
    ),
  fc
    .tuple(fc.constantFrom('__proto__', 'more', 'nonce'), fc.constantFrom('payload', 'accepted', 'authorization'))
    .map(([key, where]) => wholeJson((text) => text.replace(`"${where}":{`, `"${where}":{"${key}":"0x11",`))),
);

describe('a mutated payment header', () => {
  it(`never makes the door throw and never becomes a second payment: ${MUTATIONS} mutations of ${SEEDS} seeds`, async () => {
    const seeds = await Promise.all(Array.from({ length: SEEDS }, (_, index) => makeSeed(index)));
    const verifier = await Eip3009Verifier.create();
    /** Payer and nonce of a header that passes every check without the chain; undefined for one that is refused. */
    const accept = (header: string): string | undefined => {
      const read = decodePaymentHeader(header);
      if (!read.ok || !matchesRequirements(OFFER, read.payload.accepted)) return undefined;
      const exact = exactAuthorizationOf(read.payload);
      if (!exact.ok || !verifier.verify(TOKEN, exact.authorization).valid) return undefined;
      return `${exact.authorization.from} ${exact.authorization.nonce}`;
    };
    for (const { header, identity } of seeds) expect(accept(header)).toBe(identity);

    const seen = { accepted: 0, refused: 0 };
    const mutation = fc.array(fc.oneof(onHeader, inJson, tricks), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.constantFrom(...seeds), mutation, ({ header, identity }, steps) => {
        const mutated = steps.reduce((text, step) => {
          try {
            return step(text);
          } catch {
            // An edit that reads the text as JSON has nothing to do once an earlier one broke it.
            return text;
          }
        }, header);
        if (mutated === header) return;
        const accepted = accept(mutated);
        seen[accepted === undefined ? 'refused' : 'accepted'] += 1;
        if (accepted !== undefined) expect(accepted).toBe(identity);
      }),
      { numRuns: MUTATIONS },
    );
    // Both sides of the door were really tried.
    expect(seen.accepted).toBeGreaterThan(200);
    expect(seen.refused).toBeGreaterThan(MUTATIONS / 2);
  });
});
