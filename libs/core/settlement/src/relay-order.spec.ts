import type { Hex } from '@core/x402';
import { type ChannelOnChain, type ClaimRow, isReached, type ReceiverOnChain, type RelayOrder } from './index.js';

const word = (digit: string): Hex => `0x${digit.repeat(64)}`;
const address = (digit: string): Hex => `0x${digit.repeat(40)}`;
const config = {
  payer: address('1'),
  payerAuthorizer: address('1'),
  receiver: address('2'),
  receiverAuthorizer: address('3'),
  token: address('4'),
  withdrawDelay: 900,
  salt: word('0'),
};
const row = (digit: string, totalClaimed: bigint): ClaimRow => ({
  config,
  voucher: { channelId: word(digit), maxClaimable: 1_000n, signature: '0x' },
  totalClaimed,
});
const channel = (digit: string, change: Partial<ChannelOnChain> = {}): ChannelOnChain => ({
  channelId: word(digit),
  balance: 1_000n,
  totalClaimed: 0n,
  withdrawal: undefined,
  refundNonce: 0n,
  ...change,
});
const seeing = (channels: readonly ChannelOnChain[], sums?: ReceiverOnChain) => ({
  channel: (id: Hex) => channels.find(({ channelId }) => channelId === id),
  receiver: () => sums,
});

describe('whether an order is carried out', () => {
  it('says a claim once all of its channels are claimed as far, or farther', () => {
    const claim: RelayOrder = { kind: 'claim', rows: [row('a', 300n), row('b', 500n)], signature: '0x' };
    const claimed = (a: bigint, b: bigint) =>
      isReached(claim, seeing([channel('a', { totalClaimed: a }), channel('b', { totalClaimed: b })]));
    expect([claimed(300n, 500n), claimed(999n, 500n), claimed(300n, 499n), claimed(0n, 500n)]).toEqual([
      ...[true, true, false, false],
    ]);
    expect(isReached(claim, seeing([channel('a', { totalClaimed: 300n })]))).toBe(false);
  });

  it('says a payout once what had been claimed is paid out', () => {
    const settle: RelayOrder = { kind: 'settle', receiver: address('2'), token: address('4'), total: 700n };
    expect(isReached(settle, seeing([], { totalClaimed: 900n, totalSettled: 700n }))).toBe(true);
    expect(isReached(settle, seeing([], { totalClaimed: 900n, totalSettled: 699n }))).toBe(false);
    expect(isReached(settle, seeing([]))).toBe(false);
  });

  it('says a refund once its nonce is used, though nothing moved', () => {
    const refund: RelayOrder = {
      ...{ kind: 'refund', channelId: word('a'), config, amount: 5n, nonce: 2n, claim: undefined },
      signatures: { refund: '0x', claim: undefined },
    };
    expect(isReached(refund, seeing([channel('a', { refundNonce: 3n })]))).toBe(true);
    expect(isReached(refund, seeing([channel('a', { refundNonce: 2n })]))).toBe(false);
    expect(isReached(refund, seeing([]))).toBe(false);
  });
});
