import { batchPaymentOf, type ChannelConfig, channelProblem, type ChannelTerms, type JsonObject } from './index.js';

const address = (digit: string): `0x${string}` => `0x${digit.repeat(40)}`;
const bytes32 = (digit: string): `0x${string}` => `0x${digit.repeat(64)}`;
const SIGNATURE = `0x${'aB'.repeat(65)}`;
const MAX = (2n ** 128n - 1n).toString();

const config = {
  payer: address('A'),
  payerAuthorizer: address('b'),
  receiver: address('C'),
  receiverAuthorizer: address('d'),
  token: address('E'),
  withdrawDelay: 900,
  salt: bytes32('F'),
};
const voucher = { channelId: bytes32('A'), maxClaimableAmount: '1000', signature: SIGNATURE };
const erc3009Authorization = { validAfter: '0', validBefore: '2000', salt: bytes32('2'), signature: SIGNATURE };
const permit2Authorization = {
  from: address('A'),
  permitted: { token: address('E'), amount: '5000' },
  spender: address('9'),
  nonce: (2n ** 256n - 1n).toString(),
  deadline: '2000',
  witness: { channelId: bytes32('A') },
  signature: SIGNATURE,
};
const paid: JsonObject = { type: 'voucher', channelConfig: config, voucher };
const deposit = (authorization: JsonObject, amount: unknown = '5000'): JsonObject => ({
  ...paid,
  type: 'deposit',
  deposit: { amount, authorization },
});

const read = (payload: JsonObject) => batchPaymentOf({ payload });
const reasonOf = (payload: JsonObject) => {
  const reading = read(payload);
  return reading.ok ? 'taken' : reading.reason;
};

describe('payloads of scheme batch-settlement', () => {
  it('a voucher is read in lower case', () => {
    expect(read(paid)).toEqual({
      ok: true,
      payment: {
        type: 'voucher',
        config: { ...config, payer: address('a'), receiver: address('c'), token: address('e'), salt: bytes32('f') },
        voucher: { channelId: bytes32('a'), maxClaimable: 1000n, signature: SIGNATURE.toLowerCase() },
      },
    });
  });

  it('a deposit by EIP-3009 and one by Permit2 are told apart', () => {
    expect(read(deposit({ erc3009Authorization }))).toMatchObject({
      ok: true,
      payment: {
        type: 'deposit',
        deposit: { amount: 5000n, authorization: { method: 'eip3009', validBefore: 2000n, salt: bytes32('2') } },
      },
    });
    expect(read(deposit({ permit2Authorization, erc3009Authorization: null }))).toMatchObject({
      ok: true,
      payment: {
        deposit: {
          authorization: { method: 'permit2', amount: 5000n, nonce: 2n ** 256n - 1n, channelId: bytes32('a') },
        },
      },
    });
  });

  it('a refund without an amount asks for all that is left', () => {
    expect(read({ ...paid, type: 'refund' })).toMatchObject({ payment: { type: 'refund', amount: undefined } });
    expect(read({ ...paid, type: 'refund', amount: null })).toMatchObject({ payment: { amount: undefined } });
    expect(read({ ...paid, type: 'refund', amount: '7' })).toMatchObject({ payment: { type: 'refund', amount: 7n } });
  });

  it.each([undefined, null, 'claim', 'settle', 'Voucher', '', 7, ['voucher']])('type %p is no payment', (type) => {
    expect(reasonOf({ ...paid, type })).toBe('invalid_batch_settlement_evm_payload_type');
  });

  it.each(['0', '-1', '007', '1.5', '1e3', '0x1', '', ' 1', 1, (2n ** 128n).toString()])(
    'a refund of %p is no amount',
    (amount) => {
      expect(reasonOf({ ...paid, type: 'refund', amount })).toBe('invalid_batch_settlement_evm_refund_amount_invalid');
    },
  );

  it.each(['0x', bytes32('a').slice(0, -1), `${bytes32('a')}0`, 'a'.repeat(66), bytes32('g')])(
    'channel id %p is none',
    (channelId) => {
      expect(reasonOf({ ...paid, voucher: { ...voucher, channelId } })).toBe(
        'invalid_batch_settlement_evm_channel_id_invalid',
      );
    },
  );

  it('a deposit has exactly one authorization', () => {
    expect(reasonOf(deposit({}))).toBe('invalid_batch_settlement_evm_erc3009_authorization_required');
    expect(reasonOf(deposit({ erc3009Authorization, permit2Authorization }))).toBe(
      'invalid_batch_settlement_evm_payload_type',
    );
  });

  it('amounts go up to uint128 and times and nonces to uint256', () => {
    expect(reasonOf({ ...paid, voucher: { ...voucher, maxClaimableAmount: MAX } })).toBe('taken');
    expect(reasonOf({ ...paid, voucher: { ...voucher, maxClaimableAmount: '0' } })).toBe('taken');
    expect(reasonOf(deposit({ erc3009Authorization }, MAX))).toBe('taken');
    expect(reasonOf({ ...paid, channelConfig: { ...config, withdrawDelay: 2 ** 40 - 1 } })).toBe('taken');
  });

  it.each<[string, JsonObject]>([
    ['a ceiling above uint128', { ...paid, voucher: { ...voucher, maxClaimableAmount: (2n ** 128n).toString() } }],
    ['a ceiling with a sign', { ...paid, voucher: { ...voucher, maxClaimableAmount: '+1' } }],
    ['a ceiling with a leading zero', { ...paid, voucher: { ...voucher, maxClaimableAmount: '01' } }],
    ['a ceiling that is a number', { ...paid, voucher: { ...voucher, maxClaimableAmount: 1000 } }],
    ['a signature of half a byte', { ...paid, voucher: { ...voucher, signature: '0xabc' } }],
    ['no voucher', { ...paid, voucher: null }],
    ['a channel id that is no text', { ...paid, voucher: { ...voucher, channelId: 5 } }],
    ['no config', { type: 'voucher', voucher }],
    ['a short payer', { ...paid, channelConfig: { ...config, payer: '0xaa' } }],
    ['a delay in text', { ...paid, channelConfig: { ...config, withdrawDelay: '900' } }],
    ['a delay below zero', { ...paid, channelConfig: { ...config, withdrawDelay: -1 } }],
    ['a delay above uint40', { ...paid, channelConfig: { ...config, withdrawDelay: 2 ** 40 } }],
    ['half a delay', { ...paid, channelConfig: { ...config, withdrawDelay: 900.5 } }],
    ['a salt of 31 bytes', { ...paid, channelConfig: { ...config, salt: `0x${'11'.repeat(31)}` } }],
    ['a deposit of nothing', deposit({ erc3009Authorization }, '0')],
    ['a deposit above uint128', deposit({ erc3009Authorization }, (2n ** 128n).toString())],
    ['a deposit whose salt is a number', deposit({ erc3009Authorization: { ...erc3009Authorization, salt: '7' } })],
    ['a permit without a witness', deposit({ permit2Authorization: { ...permit2Authorization, witness: {} } })],
    ['a deposit without terms', { ...paid, type: 'deposit' }],
  ])('refuses %s, and does not quote it', (_name, payload) => {
    const reading = read(payload);
    expect(reading).toMatchObject({ ok: false, reason: 'invalid_payload' });
    if (!reading.ok) expect(reading.message).toMatch(/^payload[.\w]+: /);
  });
});

describe('a channel for an offer', () => {
  const mine: ChannelConfig = {
    payer: address('a'),
    payerAuthorizer: address('b'),
    receiver: address('c'),
    receiverAuthorizer: address('d'),
    token: address('e'),
    withdrawDelay: 900,
    salt: bytes32('f'),
  };
  const terms: ChannelTerms = {
    token: address('e'),
    payTo: address('c'),
    receiverAuthorizer: address('d'),
    withdrawDelay: 900,
  };
  const prefix = 'invalid_batch_settlement_evm_';

  it('fits when token, payee, authorizer and delay are the offered ones', () => {
    expect(channelProblem(mine, terms)).toBeUndefined();
  });

  it.each<[string, Partial<ChannelConfig>, Partial<ChannelTerms>]>([
    ['token_mismatch', { token: address('1') }, {}],
    ['receiver_mismatch', { receiver: address('1') }, {}],
    ['receiver_authorizer_mismatch', { receiverAuthorizer: address('1') }, {}],
    ['receiver_authorizer_mismatch', { receiverAuthorizer: address('0') }, { receiverAuthorizer: address('0') }],
    ['withdraw_delay_mismatch', { withdrawDelay: 901 }, {}],
    ['withdraw_delay_out_of_range', { withdrawDelay: 899 }, { withdrawDelay: 899 }],
    ['withdraw_delay_out_of_range', { withdrawDelay: 2_592_001 }, { withdrawDelay: 2_592_001 }],
  ])('%s', (reason, change, asked) => {
    expect(channelProblem({ ...mine, ...change }, { ...terms, ...asked })).toBe(prefix + reason);
  });
});
