import { DAY, HOUR, MINUTE } from './clock.js';
import { MONDAY, openInbox, openScene, pay, SECRET } from './scene.js';
import type { Inbox, Scene } from './scene.js';

describe('webhooks of the local stand-in', () => {
  let scene: Scene;
  let inbox: Inbox;
  beforeEach(async () => {
    let now = () => MONDAY;
    inbox = await openInbox(() => now());
    scene = await openScene({ webhook: { url: inbox.url, secret: SECRET } });
    now = () => scene.standIn.clock.now();
  });
  afterEach(async () => {
    await scene.standIn.close();
    await inbox.close();
  });

  it('signs what the SDK accepts, in the version of the API, with the object as it was', async () => {
    const { standIn } = scene;
    const paid = await pay(scene, 'pm_card_visa');
    await standIn.clock.advance(0);
    expect(inbox.refused).toEqual([]);
    expect(inbox.events.map(({ type }) => type)).toEqual([
      ...['customer.created', 'setup_intent.created', 'payment_method.attached', 'setup_intent.succeeded'],
      ...['payment_intent.created', 'charge.succeeded', 'payment_intent.succeeded'],
    ]);
    const last = inbox.events.at(-1);
    expect(last).toMatchObject({ object: 'event', api_version: '2026-10-28.endive', livemode: false });
    expect(last?.data.object).toMatchObject({ id: paid.id, status: 'succeeded', amount: 26_400 });
    expect(last?.request?.id).toBe(paid.lastResponse.requestId);
    expect(last?.request?.idempotency_key).toMatch(/^stripe-node-retry-/);
    expect(standIn.books()).toMatchObject({ webhooks: { delivered: 7, refused: 0 }, deliveriesWaiting: 0 });
  });

  it('delivers at its time on the clock', async () => {
    const { standIn } = scene;
    await pay(scene, 'pm_usBankAccount_insufficientFunds');
    await standIn.clock.advance(4 * DAY - 1);
    expect(inbox.events.map(({ type }) => type)).not.toContain('payment_intent.payment_failed');
    await standIn.clock.advance(1);
    expect(inbox.events.map(({ type }) => type)).toContain('payment_intent.payment_failed');
  });

  it('tries again what is not answered with 2xx, with longer and longer waits, for three days', async () => {
    const { stripe, standIn } = scene;
    inbox.answer = 503;
    await stripe.customers.create();
    await standIn.clock.advance(0);
    expect(standIn.books().webhooks.refused).toBe(1);
    await standIn.clock.advance(MINUTE);
    expect(standIn.books().webhooks.refused).toBe(2);
    await standIn.clock.advance(DAY);
    inbox.answer = 200;
    await standIn.clock.advance(DAY);
    expect(inbox.events).toHaveLength(1);

    inbox.answer = 500;
    await stripe.customers.create();
    await standIn.clock.advance(3 * DAY);
    expect(standIn.books()).toMatchObject({ webhooks: { givenUp: 1 }, deliveriesWaiting: 0 });
    inbox.answer = 200;
    await standIn.clock.advance(10 * DAY);
    expect(inbox.events).toHaveLength(1);
  });

  it('comes five times and in any order if told so', async () => {
    const { standIn } = scene;
    standIn.setWebhooks({ copies: 5, shuffleMs: HOUR });
    await pay(scene, 'pm_card_visa');
    await standIn.clock.advance(HOUR);
    expect(inbox.events).toHaveLength(35);
    expect(new Set(inbox.events.map(({ id }) => id)).size).toBe(7);
    const order = inbox.events.map(({ id }) => id);
    expect(order).not.toEqual([...order].sort());
  });

  it('is late, is lost, and is forged if told so', async () => {
    const { stripe, standIn } = scene;
    standIn.setWebhooks({ delayMs: HOUR });
    await stripe.customers.create();
    await standIn.clock.advance(HOUR - 1);
    expect(inbox.events).toEqual([]);
    await standIn.clock.advance(1);
    expect(inbox.events).toHaveLength(1);

    standIn.setWebhooks({ delayMs: 0, drop: 1 });
    await stripe.customers.create();
    await standIn.clock.advance(10 * DAY);
    expect(inbox.events).toHaveLength(1);

    standIn.setWebhooks({ drop: 0, forge: 1 });
    await stripe.customers.create();
    await standIn.clock.advance(DAY);
    expect(inbox.events).toHaveLength(2);
    expect(inbox.refused).toHaveLength(1);
    expect(standIn.books().webhooks).toMatchObject({ forged: 1, dropped: 1 });
  });

  it('goes to endpoints made through the API, only with the events they want, until they are deleted', async () => {
    const { stripe, standIn } = scene;
    const other = await openInbox(() => standIn.clock.now());
    const made = await stripe.webhookEndpoints.create({ url: other.url, enabled_events: ['customer.deleted'] });
    expect(made.secret).toMatch(/^whsec_/);
    expect((await stripe.webhookEndpoints.list()).data.map(({ id }) => id)).toContain(made.id);
    const { id } = await stripe.customers.create();
    await stripe.customers.del(id);
    await standIn.clock.advance(0);
    // This endpoint has a secret of its own, so the inbox, which knows another, refuses what it gets.
    expect(other.refused.map((body) => (JSON.parse(body) as { type: string }).type)).toEqual(['customer.deleted']);
    expect(await stripe.webhookEndpoints.del(made.id)).toMatchObject({ deleted: true });
    expect(standIn.books().deliveriesWaiting).toBe(1);
    await standIn.clock.advance(HOUR);
    expect(standIn.books().deliveriesWaiting).toBe(0);
    await other.close();
  });
});
