import {
  createOfferReceiptExtension,
  decodeSignedOffers,
  extractOffersFromPaymentRequired,
  extractReceiptFromResponse,
  extractReceiptPayload,
  findAcceptsObjectFromSignedOffer,
  verifyOfferSignatureJWS,
  verifyReceiptMatchesOffer,
  verifyReceiptSignatureJWS,
} from '@x402/extensions/offer-receipt';
import {
  appendPaymentIdentifierToExtensions,
  extractAndValidatePaymentIdentifier,
  generatePaymentId,
  isPaymentIdentifierExtension,
  validatePaymentIdentifier,
} from '@x402/extensions/payment-identifier';
import {
  decodePaymentHeader,
  encodePaymentPayload,
  encodeSettlementResponse,
  exactPayloadOf,
  offerPayloadOf,
  OFFER_RECEIPT,
  PAYMENT_IDENTIFIER,
  PAYMENT_IDENTIFIER_DECLARATION,
  type PaymentPayload,
  paymentIdentifierOf,
  signedOffers,
  signedReceipt,
} from '@core/x402';
import { Ed25519Keys } from '@platform/signing';
import { AUTHORIZATION, OFFER } from './samples.js';

const keys = new Ed25519Keys(['5a'.repeat(32)], 'https://pay.example.com');
const RESOURCE = 'https://api.example.com/weather';
const OFFERS = [OFFER, { ...OFFER, scheme: 'batch-settlement', amount: '20000' }];
const now = () => Math.floor(Date.now() / 1000);

const published = () => {
  const [key] = keys.jwks().keys;
  if (!key) throw new Error('no key is published');
  return { ...key };
};

/** A challenge as a client holds it after reading the header. */
const challenge = () => ({
  x402Version: 2 as const,
  resource: { url: RESOURCE },
  accepts: OFFERS,
  extensions: {
    [PAYMENT_IDENTIFIER]: PAYMENT_IDENTIFIER_DECLARATION,
    [OFFER_RECEIPT]: signedOffers(
      OFFERS.map((offer) => keys.sign({ ...offerPayloadOf(offer, RESOURCE, now() + 300) })),
    ),
  },
});

/** What the public client's own functions take: objects that came over the wire. */
const wire = (value: unknown) => JSON.parse(JSON.stringify(value));

describe('offers and receipts against the public package', () => {
  it('has offers that it finds, decodes, verifies by our key and matches to what was offered', async () => {
    const required = wire(challenge());
    const offers = extractOffersFromPaymentRequired(required);
    expect(offers).toHaveLength(2);
    const decoded = decodeSignedOffers(offers);
    for (const [i, offer] of decoded.entries()) {
      expect(await verifyOfferSignatureJWS(offer.signedOffer as never, published())).toMatchObject({
        version: 1,
        resourceUrl: RESOURCE,
        scheme: OFFERS[i]?.scheme,
        amount: OFFERS[i]?.amount,
      });
      expect(findAcceptsObjectFromSignedOffer(offer, required.accepts)).toEqual(required.accepts[i]);
    }
  });

  it('has offers that it refuses when a word of them is changed', async () => {
    const [offer] = extractOffersFromPaymentRequired(wire(challenge()));
    if (!offer) throw new Error('nothing was offered');
    const [header = '', payload = '', signature = ''] = offer.signature.split('.');
    const cheaper = Buffer.from(Buffer.from(payload, 'base64url').toString().replace('10000', '1')).toString(
      'base64url',
    );
    const forged = { ...offer, signature: `${header}.${cheaper}.${signature}` };
    await expect(verifyOfferSignatureJWS(forged as never, published())).rejects.toThrow(/signature/i);
  });

  it('says in its offers what the public server says', async () => {
    const ours = decodeSignedOffers(extractOffersFromPaymentRequired(wire(challenge())));
    const theirs = createOfferReceiptExtension({
      kid: keys.keyId,
      format: 'jws',
      issueOffer: (resourceUrl, input) =>
        Promise.resolve({
          format: 'jws',
          acceptIndex: input.acceptIndex,
          signature: keys.sign({
            version: 1,
            resourceUrl,
            scheme: input.scheme,
            network: input.network,
            asset: input.asset,
            payTo: input.payTo,
            amount: input.amount,
            validUntil: now() + (input.offerValiditySeconds ?? 0),
          }),
        }),
      issueReceipt: () => Promise.reject(new Error('not asked for')),
    });
    const enriched = wire(
      await theirs.enrichPaymentRequiredResponse?.(
        {},
        wire({ requirements: OFFERS, paymentRequiredResponse: challenge() }),
      ),
    );
    const fields = (info: Record<string, unknown>) => Object.keys(info).sort();
    const decoded = decodeSignedOffers(enriched.info.offers);
    expect(decoded.map((offer) => fields({ ...offer }))).toEqual(ours.map((offer) => fields({ ...offer })));
    expect(decoded.map(({ acceptIndex }) => acceptIndex)).toEqual(ours.map(({ acceptIndex }) => acceptIndex));
  });

  it('has a receipt that it finds, verifies and matches to the offer', async () => {
    const [offer] = decodeSignedOffers(extractOffersFromPaymentRequired(wire(challenge())));
    if (!offer) throw new Error('nothing was offered');
    const receipt = keys.sign({
      version: 1,
      network: OFFER.network,
      resourceUrl: RESOURCE,
      payer: AUTHORIZATION.from,
      issuedAt: now(),
      transaction: `0x${'ab'.repeat(32)}`,
    });
    const header = encodeSettlementResponse({
      success: true,
      payer: AUTHORIZATION.from,
      transaction: `0x${'ab'.repeat(32)}`,
      network: OFFER.network,
      extensions: { [OFFER_RECEIPT]: signedReceipt(receipt) },
    });
    const found = extractReceiptFromResponse(new Response('', { headers: { 'PAYMENT-RESPONSE': header } }));
    if (!found) throw new Error('the public client finds no receipt');
    expect(await verifyReceiptSignatureJWS(found as never, published())).toEqual(extractReceiptPayload(found));
    expect(verifyReceiptMatchesOffer(found, offer, [AUTHORIZATION.from])).toBe(true);
    expect(verifyReceiptMatchesOffer(found, offer, [`0x${'00'.repeat(20)}`])).toBe(false);
  });
});

describe('payment identifiers against the public package', () => {
  it('is advertised in a form that it takes up, and it names the payment so that we read the name', () => {
    const { extensions } = wire(challenge());
    expect(isPaymentIdentifierExtension(extensions[PAYMENT_IDENTIFIER])).toBe(true);
    const id = generatePaymentId();
    appendPaymentIdentifierToExtensions(extensions, id);
    expect(validatePaymentIdentifier(extensions[PAYMENT_IDENTIFIER])).toEqual({ valid: true });
    expect(paymentIdentifierOf({ extensions })).toEqual({ ok: true, identifier: id });
  });

  it('is echoed with everything else of the challenge in a header that is read', () => {
    const { extensions, resource } = wire(challenge());
    const id = generatePaymentId();
    appendPaymentIdentifierToExtensions(extensions, id);
    const header = encodePaymentPayload({
      x402Version: 2,
      resource,
      accepted: OFFER,
      payload: { ...exactPayloadOf(AUTHORIZATION) },
      extensions,
    });
    const read = decodePaymentHeader(header);
    if (!read.ok) throw new Error(read.message);
    expect(paymentIdentifierOf(read.payload)).toEqual({ ok: true, identifier: id });
  });

  it.each([
    'a'.repeat(15),
    'a'.repeat(16),
    'a'.repeat(128),
    'a'.repeat(129),
    'with a space in it',
    'pay_7d5d747be160e280504c099d984bcfe0',
    'ünïcödé-ünïcödé-ünïcödé',
    'dots.are.not.allowed.here',
  ])('takes and refuses what it takes and refuses: %s', (id) => {
    const extension = { info: { required: false, id }, schema: PAYMENT_IDENTIFIER_DECLARATION.schema };
    const payload = wire({ x402Version: 2, extensions: { [PAYMENT_IDENTIFIER]: extension } }) as PaymentPayload;
    const theirs = extractAndValidatePaymentIdentifier(payload as never).validation.valid;
    expect(paymentIdentifierOf(payload).ok).toBe(theirs);
  });
});
