import { parseDecimal } from '@core/money';
import fc from 'fast-check';
import { chargeVoucher } from './channel-charge.js';
import { checkDeposit } from './channel-deposit.js';
import { type ChannelAccount, decideVoucher, mirrorSeconds, type OpenCall } from './channel-vouchers.js';

const CHANNEL: ChannelAccount = { charged: 0n, signedMax: 0n, balance: 10n ** 9n, totalClaimed: 0n, leaving: false };
const call = (ceiling: bigint, amount = 10n) => ({ ceiling, amount, chargedAbove: 0n, taken: false });
const MISMATCH = 'invalid_batch_settlement_evm_cumulative_amount_mismatch';

describe('a voucher for a call', () => {
  it('covers what was charged and the call', () => {
    const channel = { ...CHANNEL, charged: 30n, signedMax: 40n };
    expect(decideVoucher(call(40n), channel, [])).toEqual({ kind: 'reserve' });
    expect(decideVoucher(call(39n), channel, [])).toEqual({ kind: 'correct', reason: MISMATCH });
    expect(decideVoucher(call(39n), channel, [{ ceiling: 50n, amount: 10n }])).toEqual({
      kind: 'wait',
      reason: MISMATCH,
    });
  });

  it('pays for one call', () => {
    expect(decideVoucher({ ...call(10n), taken: true }, CHANNEL, [])).toMatchObject({ kind: 'correct' });
  });

  it('is refused above the balance, at what was claimed, and on a channel that is being left', () => {
    expect(decideVoucher(call(11n), { ...CHANNEL, balance: 10n }, [])).toMatchObject({ kind: 'refuse' });
    expect(decideVoucher(call(10n), { ...CHANNEL, totalClaimed: 10n }, [])).toMatchObject({ kind: 'correct' });
    expect(decideVoucher(call(10n), { ...CHANNEL, leaving: true }, [])).toMatchObject({ kind: 'refuse' });
  });

  it('is taken in any order from a payer that signs ahead, and what is charged stays within what is signed', () => {
    const steps = fc.array(fc.record({ serve: fc.boolean(), actual: fc.bigInt(0n, 10n) }), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(steps, fc.infiniteStream(fc.nat()), (calls, picks) => {
        const waiting = calls.map((_, i) => BigInt(i + 1) * 10n);
        const served: { ceiling: bigint; charged: bigint }[] = [];
        let open: OpenCall[] = [];
        let channel = CHANNEL;
        for (const { serve, actual } of calls) {
          const [ceiling = 0n] = waiting.splice((picks.next().value ?? 0) % waiting.length, 1);
          const above = served.filter((each) => each.ceiling > ceiling).reduce((sum, { charged }) => sum + charged, 0n);
          const decision = decideVoucher({ ...call(ceiling), chargedAbove: above }, channel, open);
          expect(decision).toEqual({ kind: 'reserve' });
          open.push({ ceiling, amount: 10n });
          channel = { ...channel, signedMax: ceiling > channel.signedMax ? ceiling : channel.signedMax };
          if (!serve) continue;
          const [first] = open;
          open = open.slice(1);
          if (!first) continue;
          served.push({ ceiling: first.ceiling, charged: actual });
          channel = { ...channel, charged: channel.charged + actual };
          expect(channel.charged).toBeLessThanOrEqual(channel.signedMax);
        }
      }),
    );
  });

  it('is never taken when the highest ceiling would not cover everything that is open', () => {
    fc.assert(
      fc.property(
        fc.bigInt(1n, 200n),
        fc.bigInt(0n, 100n),
        fc.bigInt(0n, 100n),
        fc.array(fc.record({ ceiling: fc.bigInt(1n, 200n), amount: fc.bigInt(1n, 20n) }), { maxLength: 8 }),
        (ceiling, charged, chargedAbove, open) => {
          const signedMax = open.reduce((most, each) => (each.ceiling > most ? each.ceiling : most), charged);
          const decision = decideVoucher({ ...call(ceiling), chargedAbove }, { ...CHANNEL, charged, signedMax }, open);
          if (decision.kind !== 'reserve') return;
          const total = open.reduce((sum, { amount }) => sum + amount, charged + 10n);
          expect(ceiling > signedMax ? ceiling : signedMax).toBeGreaterThanOrEqual(total);
        },
      ),
    );
  });
});

describe('the charge of a call', () => {
  const quantity = (text: string) => parseDecimal(text) ?? { units: 0n, scale: 0 };

  it('is the price of what was measured, at most what was signed for', () => {
    expect(chargeVoucher(100n, quantity('10'), quantity('2.5'), 25n)).toMatchObject({ ok: true, charged: 25n });
    expect(chargeVoucher(100n, quantity('10'), quantity('10'), 101n)).toMatchObject({ ok: true, charged: 100n });
  });

  it('is refused for more than was checked', () => {
    expect(chargeVoucher(100n, quantity('10'), quantity('10.1'), 100n).ok).toBe(false);
    expect(chargeVoucher(100n, quantity('10'), quantity('-1'), 0n).ok).toBe(false);
  });
});

describe('time', () => {
  it('a mirror may be a third of the withdraw delay old, between half a minute and five minutes', () => {
    expect([60, 180, 900, 86_400].map(mirrorSeconds)).toEqual([30, 60, 300, 300]);
  });

  it('a deposit is taken while there is time to send it', () => {
    expect(checkDeposit({ validAfter: 0n, validBefore: 1_020n }, 1_000)).toBeUndefined();
    expect(checkDeposit({ validAfter: 0n, validBefore: 1_019n }, 1_000)).toMatch(/valid_before/);
    expect(checkDeposit({ validAfter: 1_000n, validBefore: 2_000n }, 1_000)).toMatch(/valid_after/);
  });
});
