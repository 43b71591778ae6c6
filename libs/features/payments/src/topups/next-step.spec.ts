import { PAYMENT_STATES, type PaymentState } from '@core/payments';
import { nextStep, type TopUpStep } from './next-step.js';
import { TOP_UP_STATES, topUpStatus, type TopUpState } from './top-up.js';

describe('a top-up', () => {
  const steps = (state: TopUpState, room = 0n): Record<string, TopUpStep> =>
    Object.fromEntries(
      PAYMENT_STATES.map((paymentState: PaymentState) => [
        paymentState,
        nextStep({ state, paymentState, amount: 100n }, room),
      ]).filter(([, step]) => step !== 'wait'),
    );

  it('is credited by a final payment, and by nothing before it', () => {
    expect(steps('paid')).toEqual({ settled: 'credit', failed: 'fail' });
    expect(steps('paid', 99n)).toEqual({ settled: 'credit', failed: 'fail' });
  });

  it('is given within the cap once it is in a block, and then kept or taken back', () => {
    expect(steps('paid', 100n)).toEqual({ included: 'give', settled: 'credit', failed: 'fail' });
    expect(steps('provisional', 1_000n)).toEqual({ settled: 'keep', failed: 'take-back' });
  });

  it('that has ended stays as it is', () => {
    expect([steps('credited', 1_000n), steps('failed', 1_000n)]).toEqual([{}, {}]);
  });

  it('is shown as credited only when it is', () => {
    for (const paymentState of PAYMENT_STATES) {
      const shown = TOP_UP_STATES.map((state) => topUpStatus({ state, paymentState }));
      expect(shown.slice(1)).toEqual(['provisional', 'credited', 'failed']);
      expect(['pending', 'confirmed', 'failed']).toContain(shown[0]);
    }
  });
});
