import {
  batchPaymentOf,
  type BatchPayment,
  batchRelayOf,
  type ChannelFunds,
  fundsProblem,
  type JsonObject,
} from './index.js';

const address = (digit: string): `0x${string}` => `0x${digit.repeat(40)}`;
const bytes32 = (digit: string): `0x${string}` => `0x${digit.repeat(64)}`;
const SIGNATURE = `0x${'aB'.repeat(65)}`;

const channel = {
  payer: address('A'),
  payerAuthorizer: address('b'),
  receiver: address('C'),
  receiverAuthorizer: address('d'),
  token: address('E'),
  withdrawDelay: 900,
  salt: bytes32('F'),
};
const voucher = { channelId: bytes32('A'), maxClaimableAmount: '1000', signature: SIGNATURE };
const row = { voucher: { channel, maxClaimableAmount: '1000' }, signature: SIGNATURE, totalClaimed: '700' };
const deposit: JsonObject = {
  type: 'deposit',
  channelConfig: channel,
  voucher,
  deposit: {
    amount: '5000',
    authorization: {
      erc3009Authorization: { validAfter: '100', validBefore: '2000', salt: bytes32('2'), signature: SIGNATURE },
    },
  },
};
const refund: JsonObject = {
  type: 'refund',
  channelConfig: channel,
  voucher,
  amount: '300',
  refundNonce: '2',
  claims: [row],
  refundAuthorizerSignature: SIGNATURE,
};
const read = (payload: JsonObject) => batchRelayOf({ payload });

describe('what a server asks a facilitator to carry', () => {
  it('a claim, a payout, a deposit and a refund', () => {
    const claimed = {
      config: { ...channel, payer: address('a'), receiver: address('c'), token: address('e'), salt: bytes32('f') },
      maxClaimable: 1000n,
      signature: SIGNATURE.toLowerCase(),
      totalClaimed: 700n,
    };
    expect(read({ type: 'claim', claims: [row] })).toEqual({
      ok: true,
      relay: { type: 'claim', claims: [claimed], signature: undefined },
    });
    expect(read({ type: 'settle', receiver: address('C'), token: address('E') })).toEqual({
      ok: true,
      relay: { type: 'settle', receiver: address('c'), token: address('e') },
    });
    expect(read(deposit)).toMatchObject({ relay: { type: 'deposit', payment: { deposit: { amount: 5000n } } } });
    expect(read(refund)).toMatchObject({
      relay: {
        type: 'refund',
        amount: 300n,
        nonce: 2n,
        claim: claimed,
        refundSignature: SIGNATURE.toLowerCase(),
        claimSignature: undefined,
      },
    });
    expect(read({ ...refund, claims: [] })).toMatchObject({ relay: { claim: undefined } });
  });

  const prefix = 'invalid_batch_settlement_evm_';
  it.each<[string, JsonObject, string]>([
    ['a voucher, which moves nothing', { ...deposit, type: 'voucher' }, `${prefix}payload_type`],
    ['no type', {}, `${prefix}payload_type`],
    ['a claim of nothing', { type: 'claim', claims: [] }, 'invalid_payload'],
    ['a claim of 101 rows', { type: 'claim', claims: Array.from({ length: 101 }, () => row) }, 'invalid_payload'],
    [
      'a claim above uint128',
      { type: 'claim', claims: [{ ...row, totalClaimed: (2n ** 128n).toString() }] },
      'invalid_payload',
    ],
    ['a payout to nobody', { type: 'settle', token: address('E') }, 'invalid_payload'],
    ['a refund without its nonce', { ...refund, refundNonce: undefined }, `${prefix}refund_payload`],
    ['a refund without an amount', { ...refund, amount: undefined }, `${prefix}refund_payload`],
    ['a refund of nothing', { ...refund, amount: '0' }, `${prefix}refund_amount_invalid`],
    ['a refund with two claims', { ...refund, claims: [row, row] }, `${prefix}refund_payload`],
  ])('refuses %s', (_name, payload, reason) => {
    expect(read(payload)).toMatchObject({ ok: false, reason });
  });
});

describe('whether the chain would carry a payment', () => {
  const paymentOf = (payload: JsonObject): BatchPayment => {
    const reading = batchPaymentOf({ payload });
    if (!reading.ok) throw new Error(reading.message);
    return reading.payment;
  };
  const funds: ChannelFunds = { balance: 1000n, totalClaimed: 999n, payerBalance: 5000n, now: 1000n };
  const prefix = 'invalid_batch_settlement_evm_';

  it.each<[string, JsonObject, Partial<ChannelFunds>, string | undefined]>([
    ['a voucher up to the balance, above what was claimed', { ...deposit, type: 'voucher' }, {}, undefined],
    ['above the balance', { ...deposit, type: 'voucher' }, { balance: 999n }, `${prefix}cumulative_exceeds_balance`],
    [
      'at what was claimed',
      { ...deposit, type: 'voucher' },
      { totalClaimed: 1000n },
      `${prefix}cumulative_below_claimed`,
    ],
    ['no channel', { ...deposit, type: 'voucher' }, { balance: 0n, totalClaimed: 0n }, `${prefix}channel_not_found`],
    ['a refund at what was claimed', { ...refund }, { totalClaimed: 1000n }, undefined],
    ['a refund below what was claimed', { ...refund }, { totalClaimed: 1001n }, `${prefix}cumulative_below_claimed`],
    ['a deposit into nothing', deposit, { balance: 0n, totalClaimed: 0n }, undefined],
    [
      'a deposit that is not enough',
      deposit,
      { balance: 0n, totalClaimed: 0n, payerBalance: 4999n },
      `${prefix}insufficient_balance`,
    ],
    ['a deposit with six seconds left', deposit, { now: 1994n }, undefined],
    ['a deposit with five', deposit, { now: 1995n }, `${prefix}payload_authorization_valid_before`],
    ['a deposit from now on', deposit, { now: 100n }, undefined],
    ['a deposit from later on', deposit, { now: 99n }, `${prefix}payload_authorization_valid_after`],
  ])('%s', (_name, payload, change, problem) => {
    expect(fundsProblem(paymentOf(payload), { ...funds, ...change })).toBe(problem);
  });
});
