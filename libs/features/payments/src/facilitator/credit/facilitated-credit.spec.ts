import { creditOffer, type PaymentRequirements } from '@core/x402';
import { readFacilitatedCredit } from './facilitated-credit.js';

const offer: PaymentRequirements = creditOffer({
  amount: 4_000n,
  asset: 'iso4217:USD',
  provider: 'prv_1',
  maxTimeoutSeconds: 300,
  authority: 'https://farebox.example',
  attests: true,
  seal: 'sealed',
  priceVersion: 'prc_1',
});

const body = (changes: { required?: object; payment?: object; x402Version?: number } = {}) => ({
  x402Version: changes.x402Version ?? 2,
  paymentPayload: {
    x402Version: 2,
    resource: { url: 'https://api.example.com/hello' },
    accepted: offer,
    payload: { type: 'consume', attestation: 'e30.e30.c2ln' },
    ...changes.payment,
  },
  paymentRequirements: { ...offer, ...changes.required },
});

describe('what a server asks to have settled on credit', () => {
  it('is an attestation and what is to be charged of it', () => {
    expect(readFacilitatedCredit(body({ required: { amount: '0', maxTimeoutSeconds: 0, extra: {} } }))).toEqual({
      ok: true,
      payment: {
        attestation: 'e30.e30.c2ln',
        amount: 0n,
        asset: 'iso4217:USD',
        payTo: 'prv_1',
        resource: 'https://api.example.com/hello',
      },
    });
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'invalid_payment_requirements'],
    ['a list', [], 'invalid_payment_requirements'],
    ['version 1', body({ x402Version: 1 }), 'invalid_x402_version'],
    ['no requirements', { ...body(), paymentRequirements: {} }, 'invalid_payment_requirements'],
    ['an amount with a sign', body({ required: { amount: '-1' } }), 'invalid_payment_requirements'],
    ['another scheme', body({ required: { scheme: 'exact' } }), 'unsupported_scheme'],
    ['another network', body({ required: { network: 'eip155:8453' } }), 'invalid_network'],
    ['another scheme accepted', body({ payment: { accepted: { ...offer, scheme: 'exact' } } }), 'unsupported_scheme'],
    [
      'another seller accepted',
      body({ payment: { accepted: { ...offer, payTo: 'prv_2' } } }),
      'invalid_payment_requirements',
    ],
    [
      'another asset accepted',
      body({ payment: { accepted: { ...offer, asset: 'USD' } } }),
      'invalid_payment_requirements',
    ],
    ['a signed form', body({ payment: { payload: { amount: '1', asset: 'USD' } } }), 'unsupported_payload_type'],
    ['no payload', body({ payment: { payload: {} } }), 'invalid_payload'],
  ])('is refused for %s', (_, given, reason) => {
    expect(readFacilitatedCredit(given)).toMatchObject({ ok: false, reason });
  });
});
