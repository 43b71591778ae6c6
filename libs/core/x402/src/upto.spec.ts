import { type JsonObject, uptoAuthorizationOf } from './index.js';

const address = (digit: string): string => `0x${digit.repeat(40)}`;
const permit2Authorization = {
  from: address('A'),
  permitted: { token: address('E'), amount: '10000' },
  spender: address('9'),
  nonce: '7',
  deadline: '2000000000',
  witness: { to: address('C'), facilitator: address('D'), validAfter: '0' },
};
const paid: JsonObject = { signature: `0x${'aB'.repeat(65)}`, permit2Authorization };
const witness = (change: JsonObject): JsonObject => ({
  ...paid,
  permit2Authorization: { ...permit2Authorization, witness: { ...permit2Authorization.witness, ...change } },
});

describe('payloads of scheme upto', () => {
  it('are read in lower case', () => {
    expect(uptoAuthorizationOf({ payload: paid })).toEqual({
      ok: true,
      authorization: {
        from: address('a'),
        token: address('e'),
        amount: 10_000n,
        spender: address('9'),
        nonce: 7n,
        deadline: 2_000_000_000n,
        to: address('c'),
        facilitator: address('d'),
        validAfter: 0n,
        signature: `0x${'ab'.repeat(65)}`,
      },
    });
  });

  it.each<[string, JsonObject, string]>([
    ['EIP-3009', { signature: '0x', authorization: {} }, 'unsupported_payload_type'],
    ['nothing', {}, 'invalid_payload'],
    ['no signature', { permit2Authorization }, 'invalid_payload'],
    ['no facilitator', witness({ facilitator: undefined }), 'invalid_payload'],
    ['a time with a sign', witness({ validAfter: '-1' }), 'invalid_payload'],
    ['a payee of 19 bytes', witness({ to: '0x11' }), 'invalid_payload'],
    [
      'a nonce above uint256',
      { ...paid, permit2Authorization: { ...permit2Authorization, nonce: (2n ** 256n).toString() } },
      'invalid_payload',
    ],
  ])('refuses %s', (_name, payload, reason) => {
    expect(uptoAuthorizationOf({ payload })).toMatchObject({ ok: false, reason });
  });
});
