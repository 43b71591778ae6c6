import {
  type AttestationClaims,
  attestationClaimsOf,
  attestationDocument,
  type AttestedPurchase,
  CREDIT_VERSION,
  creditOffer,
  creditPaymentOf,
  isPresentable,
  judgeAttestation,
  matchesRequirements,
  paymentRequirementsSchema,
} from './index.js';

const ASSET = `eip155:84532/erc20:0x${'1'.repeat(40)}`;

const terms = {
  amount: 4_000n,
  asset: ASSET,
  provider: `prv_${'a'.repeat(32)}`,
  maxTimeoutSeconds: 300,
  authority: 'https://farebox.example',
  attests: true,
  seal: 'sealed',
  priceVersion: `prc_${'b'.repeat(32)}`,
};

describe('an offer of credit', () => {
  it('names the draft, the authority and where attestations are had', () => {
    const offer = creditOffer(terms);
    expect(paymentRequirementsSchema.parse(offer)).toEqual(offer);
    expect(offer).toMatchObject({
      scheme: 'batch-settlement',
      network: 'farebox:credit',
      amount: '4000',
      payTo: terms.provider,
      extra: {
        version: CREDIT_VERSION,
        authority: 'https://farebox.example',
        authorizeUrl: 'https://farebox.example/v1/credit/authorize',
        quote: 'sealed',
      },
    });
    expect(matchesRequirements(offer, { ...offer, amount: '3999' })).toBe(false);
  });

  it('names no such place where nothing is attested', () => {
    expect(creditOffer({ ...terms, attests: false }).extra).not.toHaveProperty('authorizeUrl');
  });
});

describe('what an agent that pays on credit sends', () => {
  it('is signed terms or an attestation', () => {
    expect(creditPaymentOf({ payload: { amount: '4000', asset: 'USD' } })).toEqual({
      ok: true,
      payment: { form: 'signed', amount: 4_000n, asset: 'USD' },
    });
    expect(creditPaymentOf({ payload: { type: 'consume', attestation: 'e30.e30.c2ln' } })).toEqual({
      ok: true,
      payment: { form: 'attested', attestation: 'e30.e30.c2ln' },
    });
  });

  it.each([
    ['nothing', {}],
    ['an amount with a sign', { amount: '-1', asset: 'USD' }],
    ['an amount with a fraction', { amount: '1.5', asset: 'USD' }],
    ['an amount that is a number', { amount: 4000, asset: 'USD' }],
    ['no asset', { amount: '4000' }],
    ['another type', { type: 'voucher', attestation: 'e30.e30.c2ln' }],
    ['no attestation', { type: 'consume' }],
    ['an attestation of two parts', { type: 'consume', attestation: 'e30.e30' }],
    ['an attestation that does not end', { type: 'consume', attestation: `${'x'.repeat(2050)}.e30.c2ln` }],
  ])('is refused with %s', (_, payload) => {
    expect(creditPaymentOf({ payload })).toMatchObject({ ok: false, reason: 'invalid_payload' });
  });
});

describe('an attestation', () => {
  const claims: AttestationClaims = {
    iss: 'https://farebox.example',
    sub: `acct_${'c'.repeat(32)}`,
    aud: terms.provider,
    resource: 'sha256:one',
    method: 'GET',
    amount: 4_000n,
    asset: ASSET,
    jti: `cra_${'d'.repeat(32)}`,
    iat: 1_000,
    exp: 1_300,
    holdExp: 1_900,
  };
  const purchase: AttestedPurchase = {
    authority: 'https://farebox.example',
    provider: terms.provider,
    asset: ASSET,
    price: 4_000n,
    resources: ['sha256:one', 'sha256:two'],
    method: 'GET',
  };

  it('is read as it was written, and from nothing less', () => {
    const document = attestationDocument(claims);
    expect(attestationClaimsOf(JSON.parse(JSON.stringify(document)))).toEqual(claims);
    const { method: _, ...anyMethod } = claims;
    expect(attestationClaimsOf(attestationDocument(anyMethod))).toEqual(anyMethod);
    for (const field of Object.keys(document).filter((name) => name !== 'method'))
      expect({ field, read: attestationClaimsOf({ ...document, [field]: undefined }) }).toEqual({ field });
  });

  it('covers what it is for, and any price up to its amount', () => {
    for (const price of [0n, 1n, 4_000n])
      expect(judgeAttestation(claims, { ...purchase, price })).toEqual({ ok: true });
    expect(judgeAttestation(claims, { ...purchase, resources: [], method: undefined })).toEqual({ ok: true });
    expect(judgeAttestation({ ...claims, method: undefined }, { ...purchase, method: 'POST' })).toEqual({ ok: true });
  });

  it.each<[string, Partial<AttestedPurchase>, string]>([
    ['another authority', { authority: 'https://other.example' }, 'attestation_invalid'],
    ['another seller', { provider: `prv_${'e'.repeat(32)}` }, 'attestation_invalid'],
    ['another asset', { asset: 'iso4217:USD' }, 'attestation_invalid'],
    ['another resource', { resources: ['sha256:three'] }, 'attestation_invalid'],
    ['another method', { method: 'POST' }, 'attestation_invalid'],
    ['a higher price', { price: 4_001n }, 'price_not_acceptable'],
  ])('does not cover %s', (_, other, reason) => {
    expect(judgeAttestation(claims, { ...purchase, ...other })).toMatchObject({ ok: false, reason });
  });

  it('may be presented until it expires', () => {
    expect([1_299, 1_300].map((now) => isPresentable(claims, now))).toEqual([true, false]);
  });
});
