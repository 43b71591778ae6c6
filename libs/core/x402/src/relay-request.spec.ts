import { readRelayRequest } from './index.js';

const terms = {
  scheme: 'batch-settlement',
  network: 'eip155:84532',
  asset: `0x${'A'.repeat(40)}`,
  amount: '0',
  payTo: `0x${'B'.repeat(40)}`,
  maxTimeoutSeconds: 0,
  extra: {},
};
const payload = { type: 'settle' };
const body = (change: object = {}, changedTerms: object = {}, accepted: object = {}) => ({
  x402Version: 2,
  paymentPayload: { x402Version: 2, accepted: { ...terms, ...accepted }, payload },
  paymentRequirements: { ...terms, ...changedTerms },
  ...change,
});

describe('what a server of channels asks a facilitator', () => {
  it('is read with amount and time of nothing, as claims and payouts come', () => {
    const [asset, payTo] = [`0x${'a'.repeat(40)}`, `0x${'b'.repeat(40)}`];
    const request = { network: 'eip155:84532', asset, payTo, extra: {}, payload };
    expect(readRelayRequest(body())).toEqual({ ok: true, request });
    expect(readRelayRequest(body({ x402Version: undefined }))).toEqual({ ok: true, request });
  });

  const prefix = 'invalid_batch_settlement_evm_';
  it.each<[string, unknown, string]>([
    ['no object', 'x', 'invalid_x402_version'],
    ['version 1', body({ x402Version: 1 }), 'invalid_x402_version'],
    ['no payload', body({ paymentPayload: undefined }), 'invalid_payload'],
    ['no terms', body({ paymentRequirements: 7 }), 'invalid_payment_requirements'],
    ['a negative time', body({}, { maxTimeoutSeconds: -1 }), 'invalid_payment_requirements'],
    ['a payee that is a word', body({}, { payTo: 'merchant' }), 'invalid_payment_requirements'],
    ['a payment of another scheme', body({}, {}, { scheme: 'exact' }), `${prefix}scheme`],
    ['a payment of another network', body({}, {}, { network: 'eip155:1' }), `${prefix}network_mismatch`],
    ['a text that cannot be kept', body({ more: '\0' }), 'invalid_payload'],
    ['a prototype', JSON.parse('{"x402Version":2,"__proto__":{}}'), 'invalid_payload'],
  ])('refuses %s', (_name, given, reason) => {
    expect(readRelayRequest(given)).toMatchObject({ ok: false, reason });
  });
});
