import { createApp, type Api } from '../../apps/api/src/create-app.js';
import { collectionLoopOf } from '../../apps/worker/src/collecting.js';
import { createLogger } from '@platform/telemetry';
import { apiConfig, call, type Called, makeKey } from '../support/api.js';
import { CollectionScene } from '../support/collection-scene.js';
import { until } from '../support/until.js';

// A statement is collected at its provider's request: Stripe's events come through the api's door, and the worker's loop looks at what they
// are about. Stripe is the local stand-in.

const SECRET = 'whsec_of_the_tests';

describe('a statement that is collected', () => {
  let scene: CollectionScene;
  let api: Api;
  let url: string;
  let key: string;
  let stripe: Readonly<Record<string, string>>;

  beforeAll(async () => {
    scene = await CollectionScene.build();
    stripe = {
      STRIPE_SECRET_KEY: 'sk_test_scene',
      STRIPE_API_URL: scene.standIn.url,
      STRIPE_WEBHOOK_SECRET: SECRET,
      LOG_LEVEL: 'fatal',
    };
    api = await createApp(apiConfig(scene.db, stripe));
    url = await api.listen(0, '127.0.0.1');
    ({ key } = await makeKey(api, { scopes: ['finance'], provider: scene.seeded.provider }));
    scene.standIn.sendEventsTo(`${url}/webhooks/stripe`, SECRET);
    await scene.terms({ rails: ['bank'] });
    await scene.method('pm_usBankAccount_success');
  });

  afterAll(async () => {
    await api.close();
    await scene.close();
  });

  const ask = (method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Called> =>
    call(url, method, path, { key, headers });

  it('is asked for, debited, heard of days later through a signed event, and paid', async () => {
    const loop = collectionLoopOf(
      apiConfig(scene.db, stripe),
      scene.writer,
      scene.database,
      createLogger({ service: 'test', level: 'fatal' }),
    );
    const statement = await scene.statement(4_210n, { dueInDays: 14 });
    expect(await ask('GET', `/v1/statements/${statement}/collection`)).toMatchObject({
      status: 404,
      json: { reason: 'no_collection' },
    });
    const headers = { 'idempotency-key': 'collect-once' };
    const asked = await ask('POST', `/v1/statements/${statement}/collect`, headers);
    expect(asked).toMatchObject({
      status: 200,
      json: { outcome: 'started', collection: { state: 'open', statement } },
    });
    const again = await ask('POST', `/v1/statements/${statement}/collect`, headers);
    expect(again.json).toEqual(asked.json);
    await loop.collect();
    const read = () => ask('GET', `/v1/statements/${statement}/collection`);
    expect((await read()).json).toMatchObject({
      state: 'processing',
      attempts: [{ number: 1, rail: 'bank', state: 'processing', cents: '4210', covers: '4210' }],
    });
    // No poll is due for hours: it is the event that tells.
    await scene.owner.query("UPDATE collections SET next_run_at = now() + interval '6 h'");
    await scene.standIn.clock.advance(7 * 86_400_000);
    await until('the event to be applied', async () => {
      await loop.applyEvents();
      return (await read()).json.state === 'paid';
    });
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid', open: 0n });
    expect(scene.paidAtStripe(statement)).toEqual([4_210]);
    expect((await ask('POST', `/v1/statements/${statement}/collect`)).json).toMatchObject({ outcome: 'resting' });
  });

  it('refuses what Stripe did not sign, and needs no key for what it did', async () => {
    const body = JSON.stringify({
      id: 'evt_forged',
      object: 'event',
      type: 'payment_intent.succeeded',
      data: { object: { id: 'pi_1' } },
    });
    const signature = (secret: string) => scene.stripe.webhooks.generateTestHeaderString({ payload: body, secret });
    const post = (headers: Readonly<Record<string, string>>) =>
      call(url, 'POST', '/webhooks/stripe', { body, headers });
    expect(await post({})).toMatchObject({ status: 400, json: { reason: 'invalid_signature' } });
    expect(await post({ 'stripe-signature': signature('whsec_other') })).toMatchObject({ status: 400 });
    expect((await scene.owner.query("SELECT 1 FROM stripe_events WHERE id = 'evt_forged'")).rowCount).toBe(0);
  });

  it('is nobody else’s to ask for', async () => {
    const statement = await scene.statement(900n);
    const { key: theirs } = await makeKey(api, { scopes: ['finance'] });
    const { key: weaker } = await makeKey(api, { scopes: ['ingest'], provider: scene.seeded.provider });
    const path = `/v1/statements/${statement}/collect`;
    expect(await call(url, 'POST', path, { key: theirs })).toMatchObject({
      status: 404,
      json: { reason: 'unknown_statement' },
    });
    expect(await call(url, 'POST', path, { key: weaker })).toMatchObject({ status: 403 });
    expect(await call(url, 'POST', path, {})).toMatchObject({ status: 401 });
  });
});
