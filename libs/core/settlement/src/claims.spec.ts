import fc from 'fast-check';
import { type ChannelOnChain, planClaim } from './index.js';

const channel = (balance: bigint, totalClaimed: bigint): ChannelOnChain => ({
  channelId: `0x${'11'.repeat(32)}`,
  balance,
  totalClaimed,
  withdrawal: undefined,
  refundNonce: 0n,
});

describe('what is claimed from a channel', () => {
  it.each<[string, bigint, bigint, bigint, bigint | undefined, bigint]>([
    ['all that was charged', 70n, 100n, 20n, 70n, 0n],
    ['nothing when all is claimed', 70n, 100n, 70n, undefined, 0n],
    ['nothing when the chain is ahead of us', 70n, 100n, 80n, undefined, 0n],
    ['what is left when the payer has taken value out', 70n, 50n, 20n, 50n, 20n],
    ['nothing of a drained channel', 70n, 20n, 20n, undefined, 50n],
    ['nothing of a channel never funded', 70n, 0n, 0n, undefined, 70n],
    ['nothing when nothing was charged', 0n, 100n, 0n, undefined, 0n],
  ])('%s', (_name, charged, balance, totalClaimed, claim, short) => {
    expect(planClaim(charged, channel(balance, totalClaimed))).toEqual({ claim, short });
  });

  it('is never refused by the contract, and what is claimed and what is short are what was charged', () => {
    const units = fc.bigInt(0n, 1000n);
    fc.assert(
      fc.property(units, units, units, (charged, balance, part) => {
        const totalClaimed = part < balance ? part : balance;
        const { claim, short } = planClaim(charged, channel(balance, totalClaimed));
        if (claim !== undefined) {
          expect(claim > totalClaimed && claim <= balance && claim <= charged).toBe(true);
          expect(claim + short).toBe(charged);
        } else {
          expect(charged <= totalClaimed ? 0n : charged - totalClaimed).toBe(short);
        }
      }),
    );
  });
});
