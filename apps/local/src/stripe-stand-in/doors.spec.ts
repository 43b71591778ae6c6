import { DAY } from './clock.js';
import { MONDAY, openScene, pay, rejection, saved, theId } from './scene.js';
import type { Scene } from './scene.js';

describe('the doors of the local stand-in for other processes', () => {
  let scene: Scene;
  beforeEach(async () => (scene = await openScene()));
  afterEach(() => scene.standIn.close());

  async function ask(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const answer = await fetch(`${scene.standIn.url}/_stand_in/${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  it('advances the clock and does what falls due', async () => {
    const { stripe } = scene;
    const started = await pay(scene, 'pm_usBankAccount_success');
    expect((await ask('GET', 'clock')).body).toEqual({ now: MONDAY, held: true });
    expect((await ask('POST', 'clock/advance', { ms: 4 * DAY })).body).toEqual({ now: MONDAY + 4 * DAY });
    expect((await stripe.paymentIntents.retrieve(started.id)).status).toBe('succeeded');
    expect((await ask('POST', 'clock/advance', {})).status).toBe(400);
  });

  it('shows the books', async () => {
    await pay(scene, 'pm_card_visa');
    const { body } = await ask('GET', 'state');
    expect(body).toMatchObject({ sums: { usd: { charged: 26_400, fees: 796 } }, charges: [{ status: 'succeeded' }] });
  });

  it('completes a Checkout session, or says why not', async () => {
    const { stripe } = scene;
    const { id: customer } = await stripe.customers.create();
    const session = await stripe.checkout.sessions.create({
      mode: 'setup',
      customer,
      success_url: 'http://127.0.0.1/',
      currency: 'usd',
    });
    const declined = await ask('POST', `checkout/${session.id}/complete`, { payment_method: 'pm_card_chargeDeclined' });
    expect(declined).toMatchObject({ status: 402, body: { error: { code: 'card_declined' } } });
    const done = await ask('POST', `checkout/${session.id}/complete`, { payment_method: 'pm_card_visa' });
    expect(done).toMatchObject({ status: 200, body: { status: 'complete' } });
    expect((await ask('POST', 'checkout/cs_none/complete', { payment_method: 'pm_card_visa' })).status).toBe(404);
  });

  it('sets and clears faults and the switches of webhooks', async () => {
    const { stripe, standIn } = scene;
    await ask('POST', 'faults', { path: 'POST /v1/customers', script: ['error_before', 'none', 'rate_limit'] });
    expect((await rejection(stripe.customers.create())).statusCode).toBe(500);
    await stripe.customers.create();
    expect((await rejection(stripe.customers.create())).statusCode).toBe(429);
    await ask('POST', 'faults', { share: 1, kinds: ['conflict'] });
    expect((await rejection(stripe.balance.retrieve())).statusCode).toBe(409);
    await ask('DELETE', 'faults');
    expect((await stripe.balance.retrieve()).object).toBe('balance');
    expect((await ask('GET', 'faults')).body).toEqual({ error_before: 1, rate_limit: 1, conflict: 1 });
    expect((await ask('POST', 'faults', { kinds: ['bad_luck'] })).status).toBe(400);
    expect((await ask('POST', 'webhooks', { copies: 5, drop: 0.2 })).body).toMatchObject({
      copies: 5,
      drop: 0.2,
      forge: 0,
    });
    expect(standIn.books().webhooks.planned).toBe(0);
  });

  it('does what payers and banks do', async () => {
    const { stripe } = scene;
    const card = await pay(scene, 'pm_card_visa');
    const disputed = await ask('POST', 'disputes', { charge: card.latest_charge, reason: 'duplicate' });
    const id = String(disputed.body.id);
    expect((await ask('POST', `disputes/${id}/decide`, { won: true })).body).toMatchObject({
      status: 'won',
      reason: 'duplicate',
    });
    const bank = await pay(scene, 'pm_usBankAccount_success');
    await scene.standIn.clock.advance(4 * DAY);
    const returned = await ask('POST', `debits/${theId(bank.latest_charge)}/return`, {
      reason: 'bank_cannot_process',
    });
    expect(returned.body).toMatchObject({ status: 'lost', reason: 'bank_cannot_process' });
    const who = await saved(scene, 'pm_usBankAccount_success');
    expect((await ask('POST', `payment_methods/${who.payment_method}/behave`, { like: 'pm_card_visa' })).status).toBe(
      400,
    );
    await ask('POST', `mandates/${who.payment_method}/end`);
    expect((await stripe.events.list({ type: 'mandate.updated' })).data).toHaveLength(1);
    await pay(scene, 'pm_card_bypassPending', 500_000);
    await ask('POST', 'payouts');
    const [payout] = (await stripe.payouts.list({ limit: 1 })).data;
    expect((await ask('POST', `payouts/${payout?.id ?? ''}/fail`)).body).toMatchObject({ status: 'failed' });
  });
});
