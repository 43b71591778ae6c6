import { createHmac } from 'node:crypto';
import type Stripe from 'stripe';
import { HOUR, MINUTE } from './clock.js';
import type { Delivery } from './state.js';
import type { World } from './world.js';

/** Waits between the tries of one delivery: eleven more over three days. */
const RETRY_AFTER = [
  ...[MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 8 * HOUR],
  ...[10 * HOUR, 10 * HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR],
];
const ANSWER_WITHIN_MS = 10_000;

/** Plans the deliveries of an event to every endpoint that wants it, as the switches say. Returns how many endpoints. */
export function planDeliveries(world: World, event: Stripe.EventBase): number {
  const { copies, drop, forge } = world.webhooks;
  const { state } = world;
  const endpoints = Object.values(state.webhookEndpoints).filter(
    ({ status, enabled_events: wanted }) =>
      status === 'enabled' && (wanted.includes('*') || wanted.includes(event.type)),
  );
  for (const endpoint of endpoints) {
    if (world.chance.happens(drop)) {
      state.webhookCounts.dropped += 1;
      continue;
    }
    for (let copy = 0; copy < copies; copy += 1) planDelivery(world, event.id, endpoint.id, null);
    if (!world.chance.happens(forge)) continue;
    state.webhookCounts.forged += 1;
    planDelivery(world, event.id, endpoint.id, JSON.stringify({ ...event, id: world.id('evt_forged') }));
  }
  return endpoints.length;
}

/** `Stripe-Signature` of a body: HMAC-SHA256 over `<seconds>.<body>`. */
export function signatureOf(body: string, secret: string, seconds: number): string {
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}

/** One try. What is not answered with 2xx within ten seconds is tried again later, for three days. */
export async function deliver(world: World, id: string, closing: AbortSignal): Promise<void> {
  const delivery = world.state.deliveries[id];
  if (delivery === undefined) return;
  const endpoint = world.state.webhookEndpoints[delivery.endpoint];
  const event = world.state.events[delivery.event];
  if (endpoint === undefined || event === undefined) {
    delete world.state.deliveries[id];
    return;
  }
  const body = delivery.forged ?? JSON.stringify(event);
  const secret = delivery.forged === null ? world.state.endpointSecrets[endpoint.id] : undefined;
  const accepted = await post(
    endpoint.url,
    body,
    signatureOf(body, secret ?? 'whsec_of_a_forger', Math.floor(world.signedAt() / 1000)),
    closing,
  );
  if (closing.aborted) return;
  settle(world, delivery, event, accepted);
}

function planDelivery(world: World, event: string, endpoint: string, forged: string | null): void {
  const { delayMs, shuffleMs } = world.webhooks;
  const delivery: Delivery = { id: world.id('whd'), event, endpoint, forged, tries: 0 };
  world.state.deliveries[delivery.id] = delivery;
  world.state.webhookCounts.planned += 1;
  const at = world.clock.now() + delayMs + Math.floor(world.chance.next() * shuffleMs);
  world.plan(at, { kind: 'deliver', delivery: delivery.id });
}

function settle(world: World, delivery: Delivery, event: Stripe.EventBase, accepted: boolean): void {
  const { state } = world;
  world.changed = true;
  delivery.tries += 1;
  const wait = RETRY_AFTER[delivery.tries - 1];
  if (accepted && delivery.forged === null) {
    state.webhookCounts.delivered += 1;
    event.pending_webhooks = Math.max(0, event.pending_webhooks - 1);
  }
  if (!accepted) state.webhookCounts.refused += 1;
  if (!accepted && delivery.forged === null && wait !== undefined) {
    world.plan(world.clock.now() + wait, { kind: 'deliver', delivery: delivery.id });
    return;
  }
  if (!accepted && delivery.forged === null) state.webhookCounts.givenUp += 1;
  delete state.deliveries[delivery.id];
}

async function post(url: string, body: string, signature: string, closing: AbortSignal): Promise<boolean> {
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'stripe-signature': signature,
    'user-agent': 'Farebox-local-Stripe-stand-in/1.0 (not Stripe)',
  };
  try {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
    const answer = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
    await answer.arrayBuffer();
    return answer.status >= 200 && answer.status < 300;
  } catch {
    return false;
  }
}
