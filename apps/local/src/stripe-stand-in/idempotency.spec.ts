import Stripe from 'stripe';
import { DAY, HOUR } from './clock.js';
import { openScene, rejection, sdk } from './scene.js';
import type { Scene } from './scene.js';

describe('idempotency on the local stand-in', () => {
  let scene: Scene;
  beforeEach(async () => (scene = await openScene()));
  afterEach(() => scene.standIn.close());

  const payment = { amount: 2000, currency: 'usd', payment_method: 'pm_card_visa', confirm: true };

  it('replays the answer to the same key and body, and says so', async () => {
    const { stripe, standIn } = scene;
    const first = await stripe.paymentIntents.create(payment, { idempotencyKey: 'inv-1-att-1' });
    const second = await stripe.paymentIntents.create(payment, { idempotencyKey: 'inv-1-att-1' });
    expect(second).toEqual(first);
    expect(first.lastResponse.idempotencyKey).toBe('inv-1-att-1');
    expect(first.lastResponse.headers['idempotent-replayed']).toBeUndefined();
    expect(second.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(second.lastResponse.headers['original-request']).toBe(first.lastResponse.requestId);
    expect(standIn.books().charges).toHaveLength(1);
  });

  it('replays the answer as it was then, not as things are now', async () => {
    const { stripe } = scene;
    const open = { amount: 2000, currency: 'usd' };
    const made = await stripe.paymentIntents.create(open, { idempotencyKey: 'k' });
    await stripe.paymentIntents.cancel(made.id);
    expect((await stripe.paymentIntents.create(open, { idempotencyKey: 'k' })).status).toBe('requires_payment_method');
  });

  it('refuses a key with another body or address', async () => {
    const { stripe } = scene;
    await stripe.paymentIntents.create(payment, { idempotencyKey: 'k' });
    const other = await rejection(stripe.paymentIntents.create({ ...payment, amount: 2001 }, { idempotencyKey: 'k' }));
    expect(other).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
    expect(other.statusCode).toBe(400);
    const elsewhere = await rejection(stripe.customers.create({}, { idempotencyKey: 'k' }));
    expect(elsewhere).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
  });

  it('replays a decline, since execution had begun', async () => {
    const { stripe, standIn } = scene;
    const declined = { ...payment, payment_method: 'pm_card_chargeDeclined' };
    const first = await rejection(stripe.paymentIntents.create(declined, { idempotencyKey: 'k' }));
    const second = await rejection(stripe.paymentIntents.create(declined, { idempotencyKey: 'k' }));
    expect(second.charge).toBe(first.charge);
    expect(second.headers?.['idempotent-replayed']).toBe('true');
    expect(standIn.books().charges).toHaveLength(1);
  });

  it('keeps nothing of a request that did not pass validation', async () => {
    const { stripe } = scene;
    await rejection(stripe.paymentIntents.create({ ...payment, amount: 1 }, { idempotencyKey: 'k' }));
    expect((await stripe.paymentIntents.create(payment, { idempotencyKey: 'k' })).status).toBe('succeeded');
    expect((await rejection(stripe.customers.create({}, { idempotencyKey: 'x'.repeat(256) }))).statusCode).toBe(400);
  });

  it('answers 409 while the first request is under way, and the SDK’s retry then gets its answer', async () => {
    const { stripe, standIn } = scene;
    standIn.faults.add({ path: 'POST /v1/payment_intents', script: ['slow'], holdMs: 300 });
    const first = stripe.paymentIntents.create(payment, { idempotencyKey: 'k' });
    while (standIn.faults.counts.slow !== 1) await new Promise(setImmediate);
    const conflict = await rejection(stripe.paymentIntents.create(payment, { idempotencyKey: 'k' }));
    expect(conflict).toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' });
    const retried = await sdk(standIn, 2).paymentIntents.create(payment, { idempotencyKey: 'k' });
    expect(retried).toEqual(await first);
    expect(standIn.books().charges).toHaveLength(1);
  });

  it('does nothing twice when only the answer could not be written', async () => {
    const { stripe, standIn } = scene;
    const wrong = { ...payment, expand: ['colour'] };
    for (let n = 0; n < 2; n += 1) {
      expect((await rejection(stripe.paymentIntents.create(wrong, { idempotencyKey: 'k' }))).param).toBe('expand');
    }
    expect(standIn.books().charges).toHaveLength(1);
  });

  it('forgets a key after a day of its clock', async () => {
    const { stripe, standIn } = scene;
    const first = await stripe.paymentIntents.create(payment, { idempotencyKey: 'k' });
    await standIn.clock.advance(DAY - HOUR);
    expect((await stripe.paymentIntents.create(payment, { idempotencyKey: 'k' })).id).toBe(first.id);
    await standIn.clock.advance(HOUR);
    expect((await stripe.paymentIntents.create(payment, { idempotencyKey: 'k' })).id).not.toBe(first.id);
  });
});
