import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { StripeEvents } from '@platform/stripe';
import { CollectionScene } from '../../../../../test/support/collection-scene.js';
import { until } from '../../../../../test/support/until.js';
import { ApplyStripeEvents } from './apply-stripe-events.js';
import { allHandlers, collectionHandlers, type StripeEventHandler } from './stripe-event-handlers.js';
import { TakeStripeEvent } from './take-stripe-event.js';

const SECRET = 'whsec_test';

describe('events of Stripe', () => {
  let scene: CollectionScene;
  let take: TakeStripeEvent;
  let server: Server;
  let url: string;
  const answered: number[] = [];

  beforeEach(async () => {
    scene = await CollectionScene.build();
    take = new TakeStripeEvent(scene.writer, new StripeEvents(scene.stripe, SECRET));
    answered.length = 0;
    server = createServer((request, response) => {
      void buffer(request).then(async (raw) => {
        const signature = [request.headers['stripe-signature']].flat()[0];
        const { outcome } = await take.run({ raw, signature });
        answered.push(outcome === 'refused' ? 400 : 200);
        response.writeHead(outcome === 'refused' ? 400 : 200).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/stripe`;
  });

  afterEach(async () => {
    await scene.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const states = async (): Promise<Record<string, number>> => {
    const { rows } = await scene.owner.query<{ state: string; n: number }>(
      'SELECT state, count(*)::int AS n FROM stripe_events GROUP BY 1',
    );
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  };

  const signed = (event: object, secret = SECRET, timestamp?: number) => {
    const payload = JSON.stringify(event);
    const options = { payload, secret, ...(timestamp === undefined ? {} : { timestamp }) };
    return { raw: Buffer.from(payload), signature: scene.stripe.webhooks.generateTestHeaderString(options) };
  };

  const event = (id: string, type: string, object: string) => ({
    id,
    type,
    object: 'event',
    created: 1_700_000_000,
    livemode: false,
    api_version: '2026-10-28.endive',
    data: { object: { id: object, object: 'payment_intent', status: 'succeeded' } },
  });

  it('are kept once, and refused when they are forged, changed or stale', async () => {
    const genuine = signed(event('evt_1', 'payment_intent.succeeded', 'pi_unknown'));
    expect(await take.run(genuine)).toEqual({ outcome: 'taken' });
    expect(await take.run(genuine)).toEqual({ outcome: 'repeated' });
    const other = event('evt_2', 'payment_intent.succeeded', 'pi_unknown');
    expect(await take.run(signed(other, 'whsec_other'))).toEqual({ outcome: 'refused' });
    expect(await take.run(signed(other, SECRET, Math.floor(Date.now() / 1000) - 301))).toEqual({ outcome: 'refused' });
    expect(await take.run({ ...signed(other), raw: Buffer.from(JSON.stringify(event('evt_3', 'x', 'y'))) })).toEqual({
      outcome: 'refused',
    });
    expect(await take.run({ ...signed(other), signature: undefined })).toEqual({ outcome: 'refused' });
    expect(await states()).toEqual({ received: 1 });
    const { rows } = await scene.owner.query("SELECT queue FROM outbox WHERE queue = 'apply-stripe-events'");
    expect(rows).toHaveLength(1);
  });

  it('say nothing that is believed: a success that Stripe does not know of changes nothing', async () => {
    await scene.terms({ rails: ['bank'] });
    await scene.method('pm_usBankAccount_processing');
    const statement = await scene.statement(4_210n);
    const commands = scene.commands();
    await scene.round(commands);
    const { rows } = await scene.owner.query<{ intent: string }>(
      'SELECT payment_intent AS intent FROM collection_attempts',
    );
    await take.run(signed(event('evt_1', 'payment_intent.succeeded', rows[0]?.intent ?? '')));
    await take.run(signed(event('evt_2', 'payment_intent.succeeded', 'pi_nobody')));
    await take.run(signed(event('evt_3', 'invoice.paid', 'in_1')));
    const before = await scene.books();
    await new ApplyStripeEvents(scene.writer, collectionHandlers(commands.confirm)).run();
    expect(await scene.books()).toEqual(before);
    expect(await scene.collection(statement)).toMatchObject({ state: 'processing' });
    expect(await states()).toEqual({ applied: 1, ignored: 1, parked: 1 });
  });

  it('that are parked are shown again, and applied when their object is known', async () => {
    const known = new Set<string>();
    const handler: StripeEventHandler = ({ object }) =>
      Promise.resolve({ outcome: known.has(object.id) ? 'applied' : 'unknown' });
    const apply = new ApplyStripeEvents(scene.writer, allHandlers({ 'payment_intent.succeeded': [handler] }, {}));
    await take.run(signed(event('evt_1', 'payment_intent.succeeded', 'pi_1')));
    await apply.run();
    expect(await states()).toEqual({ parked: 1 });
    known.add('pi_1');
    expect(await apply.run()).toEqual({ events: 0, alarms: [] });
    await scene.owner.query('UPDATE stripe_events SET next_run_at = now()');
    await apply.run();
    expect(await states()).toEqual({ applied: 1 });
  });

  it('five times each, shuffled, with forged ones between them, while a fifth of all calls fails: everything is collected once', async () => {
    await scene.terms({ rails: ['card', 'bank'] });
    await scene.method('pm_card_visa');
    await scene.method('pm_usBankAccount_success');
    scene.standIn.sendEventsTo(url, SECRET);
    scene.standIn.setWebhooks({ copies: 5, shuffleMs: 60_000, drop: 0.2, forge: 0.3 });
    const statements: string[] = [];
    for (let i = 0; i < 12; i += 1) statements.push(await scene.statement(1_000n + BigInt(i)));
    // Half of them by bank.
    await scene.owner.query("UPDATE payment_methods SET state = 'detached', ended_at = now() WHERE rail = 'card'");
    scene.standIn.faults.add({
      share: 0.2,
      kinds: ['error_before', 'error_after', 'error_stored', 'close_before', 'close_after', 'rate_limit', 'conflict'],
    });
    const workers = [scene.commands(), scene.commands()];
    const paid = async (): Promise<boolean> => {
      const { rows } = await scene.owner.query("SELECT 1 FROM statements WHERE state <> 'paid'");
      return rows.length === 0;
    };
    let hours = 0;
    await until(
      'every statement to be paid',
      paid,
      async () => {
        hours += 6;
        if (hours === 48)
          await scene.owner.query("UPDATE payment_methods SET state = 'active', ended_at = NULL WHERE rail = 'card'");
        await scene.standIn.clock.advance(6 * 3_600_000);
        await scene.hurry();
        await scene.owner.query('UPDATE stripe_events SET next_run_at = now() WHERE next_run_at IS NOT NULL');
        await Promise.all(
          workers.flatMap((commands) => [
            scene.round(commands),
            new ApplyStripeEvents(scene.writer, collectionHandlers(commands.confirm)).run(),
          ]),
        );
      },
      120_000,
    );
    for (const [i, statement] of statements.entries()) {
      expect(scene.paidAtStripe(statement)).toEqual([1_000 + i]);
      expect((await scene.attempts(statement)).filter((said) => said.endsWith('succeeded'))).toHaveLength(1);
    }
    expect(await scene.books()).toEqual({ ledger: { '1015': 12_066n, '4010': -12_066n }, due: 0n });
    expect(answered).toContain(400);
    expect(Object.values(scene.standIn.faults.counts).length).toBeGreaterThan(3);
  }, 180_000);
});
