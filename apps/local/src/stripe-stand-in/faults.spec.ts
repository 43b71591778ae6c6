import { Chance } from './chance.js';
import { Faults } from './faults.js';
import type { FaultKind } from './faults.js';
import { openScene, rejection, sdk } from './scene.js';
import type { Scene } from './scene.js';

describe('faults of API calls on the local stand-in', () => {
  let scene: Scene;
  beforeEach(async () => (scene = await openScene()));
  afterEach(() => scene.standIn.close());

  /** `slow` is answered in time, `hold` is not: the callers give up after half a second. */
  const SLOW: Partial<Record<FaultKind, number>> = { slow: 50 };
  const payment = { amount: 2000, currency: 'usd', payment_method: 'pm_card_visa', confirm: true };
  const once = (kind: FaultKind) =>
    scene.standIn.faults.add({ path: 'POST /v1/payment_intents', script: [kind], holdMs: SLOW[kind] });

  it.each<[FaultKind, number]>([
    ['error_before', 0],
    ['rate_limit', 0],
    ['conflict', 0],
    ['error_after', 1],
    ['error_stored', 1],
    ['hold_before', 0],
    ['hold_after', 1],
  ])('%s: the caller fails, and %d payments were made', async (kind, made) => {
    const { standIn } = scene;
    once(kind);
    await rejection(sdk(standIn, 0, 200).paymentIntents.create(payment, { idempotencyKey: 'k' }));
    expect(standIn.books().charges).toHaveLength(made);
    expect(standIn.faults.counts).toEqual({ [kind]: 1 });
  });

  it('says what kind of error it is', async () => {
    const { stripe } = scene;
    once('rate_limit');
    expect(await rejection(stripe.paymentIntents.create(payment))).toMatchObject({
      ...{ type: 'StripeRateLimitError', statusCode: 429, headers: { 'retry-after': '1' } },
    });
    once('error_before');
    expect(await rejection(stripe.paymentIntents.create(payment))).toMatchObject({
      type: 'StripeAPIError',
      statusCode: 500,
    });
    once('hold_after');
    const impatient = sdk(scene.standIn, 0, 200);
    expect((await rejection(impatient.paymentIntents.create(payment))).type).toBe('StripeConnectionError');
  });

  it.each<FaultKind>(['error_before', 'error_after', 'hold_before', 'hold_after', 'conflict', 'slow'])(
    'the SDK’s own retries outlive %s with one payment',
    async (kind) => {
      const { standIn } = scene;
      once(kind);
      const done = await sdk(standIn, 2, 500).paymentIntents.create(payment);
      expect(done.status).toBe('succeeded');
      expect(standIn.books().charges).toHaveLength(1);
    },
  );

  it.each<FaultKind>(['close_before', 'close_after'])(
    '%s is retried even without retries, with one payment',
    async (kind) => {
      const { stripe, standIn } = scene;
      once(kind);
      expect((await stripe.paymentIntents.create(payment)).status).toBe('succeeded');
      expect(standIn.books().charges).toHaveLength(1);
    },
  );

  it('a stored 500 is replayed for ever: only looking for the payment tells', async () => {
    const { stripe, standIn } = scene;
    once('error_stored');
    const labelled = { ...payment, metadata: { attempt: 'a-1' } };
    for (let n = 0; n < 2; n += 1) {
      const failed = await rejection(stripe.paymentIntents.create(labelled, { idempotencyKey: 'k' }));
      expect(failed.statusCode).toBe(500);
    }
    const found = await stripe.paymentIntents.search({ query: `metadata['attempt']:'a-1'` });
    expect(found.data).toMatchObject([{ status: 'succeeded' }]);
    expect(standIn.successesFor('attempt', 'a-1')).toHaveLength(1);
  });

  it('meets only the calls its path names', async () => {
    const { stripe, standIn } = scene;
    standIn.faults.add({ path: 'POST /v1/payment_intents/*/confirm', share: 1, kinds: ['error_before'] });
    const made = await stripe.paymentIntents.create({ amount: 2000, currency: 'usd' });
    await rejection(stripe.paymentIntents.confirm(made.id, { payment_method: 'pm_card_visa' }));
    standIn.faults.clear();
    expect((await stripe.paymentIntents.confirm(made.id, { payment_method: 'pm_card_visa' })).status).toBe('succeeded');
  });

  it('fails the share asked for, and the same calls again under the same seed', () => {
    const run = (seed: string) => {
      const faults = new Faults(new Chance(seed));
      faults.add({ share: 0.2, kinds: ['error_before', 'error_after', 'hold_after'] });
      return Array.from({ length: 2000 }, () => faults.next('POST', '/v1/refunds')?.kind ?? '');
    };
    const first = run('one');
    expect(run('one')).toEqual(first);
    expect(run('two')).not.toEqual(first);
    const failed = first.filter((kind) => kind !== '').length;
    expect(failed).toBeGreaterThan(320);
    expect(failed).toBeLessThan(480);
  });
});
