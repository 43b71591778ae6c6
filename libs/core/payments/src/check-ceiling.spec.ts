import { UPTO_CONTRACTS, type UptoAuthorization } from '@core/x402';
import { checkCeiling } from './index.js';

const PAYEE = '0x1111111111111111111111111111111111111111';
const TOKEN = '0x2222222222222222222222222222222222222222';
const FACILITATOR = '0x3333333333333333333333333333333333333333';
const OTHER = '0x4444444444444444444444444444444444444444';
const NOW = 1_000_000;

const offer = { payTo: PAYEE, amount: 500n, asset: TOKEN, facilitators: [FACILITATOR], maxTimeoutSeconds: 300 };
const good: UptoAuthorization = {
  from: OTHER,
  token: TOKEN,
  amount: 500n,
  spender: UPTO_CONTRACTS.proxy,
  nonce: 1n,
  deadline: BigInt(NOW + 300),
  to: PAYEE,
  facilitator: FACILITATOR,
  validAfter: 0n,
  signature: '0x',
};
const at = (seconds: number) => BigInt(NOW + seconds);

/** In the order in which they are looked at. */
const WRONG: readonly (readonly [string, Partial<UptoAuthorization>])[] = [
  ['invalid_permit2_spender', { spender: OTHER }],
  ['invalid_permit2_recipient_mismatch', { to: OTHER }],
  ['upto_facilitator_mismatch', { facilitator: OTHER }],
  ['permit2_deadline_expired', { deadline: at(29) }],
  ['permit2_not_yet_valid', { validAfter: at(1) }],
  ['permit2_amount_mismatch', { amount: 499n }],
  ['permit2_token_mismatch', { token: OTHER }],
];

describe('the terms of a signed ceiling', () => {
  it('hold to the last second they may', () => {
    for (const change of [{}, { deadline: at(30) }, { deadline: at(360) }, { validAfter: at(0) }]) {
      expect(checkCeiling({ ...good, ...change }, offer, NOW, 'gate')).toEqual({ ok: true });
    }
    expect(checkCeiling({ ...good, deadline: at(6) }, offer, NOW, 'facilitator')).toEqual({ ok: true });
    expect(checkCeiling({ ...good, deadline: at(1e9) }, offer, NOW, 'facilitator')).toEqual({ ok: true });
  });

  it.each(WRONG)('%s', (reason, change) => {
    expect(checkCeiling({ ...good, ...change }, offer, NOW, 'gate')).toMatchObject({ ok: false, reason });
  });

  it('end neither too soon for us nor later than was offered', () => {
    for (const [door, deadline] of [
      ['gate', 361],
      ['facilitator', 5],
    ] as const) {
      const late = checkCeiling({ ...good, deadline: at(deadline) }, offer, NOW, door);
      expect(late).toMatchObject({ ok: false, reason: 'permit2_deadline_expired' });
    }
  });

  it('of several that are wrong the first is named', () => {
    for (let from = 0; from < WRONG.length; from += 1) {
      const changes = WRONG.slice(from).map(([, change]) => change);
      const all: UptoAuthorization = Object.assign({}, good, ...changes);
      expect(checkCeiling(all, offer, NOW, 'gate')).toMatchObject({ reason: WRONG[from]?.[0] });
    }
  });
});
