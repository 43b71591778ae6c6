import type Stripe from 'stripe';
import { noSuch } from './errors.js';
import { listed } from './listing.js';
import type { Call } from './call.js';
import { planDeliveries } from './webhook-delivery.js';
import type { World } from './world.js';

export const API_VERSION = '2026-10-28.endive';

type EventType = Stripe.Event['type'];
type ObjectOf<T extends EventType> = Extract<Stripe.Event, { type: T }>['data']['object'];
type PreviousOf<T extends EventType> = Partial<ObjectOf<T>>;

/** Records what happened, with the object as it is now, and plans its deliveries. */
export function emit<T extends EventType>(world: World, type: T, object: ObjectOf<T>, previous?: PreviousOf<T>): void {
  const data: Stripe.Event.Data = { object: structuredClone(object) };
  if (previous !== undefined) data.previous_attributes = structuredClone(previous);
  const event: Stripe.EventBase = {
    id: world.id('evt'),
    object: 'event',
    api_version: API_VERSION,
    created: world.clock.seconds(),
    data,
    livemode: false,
    pending_webhooks: 0,
    request: { id: world.request?.id ?? null, idempotency_key: world.request?.idempotencyKey ?? null },
    type,
  };
  world.state.events[event.id] = event;
  event.pending_webhooks = planDeliveries(world, event);
}

export const events = {
  retrieve: ({ world, id }: Call): Stripe.EventBase => {
    const event = world.state.events[id];
    if (event === undefined) throw noSuch('event', id);
    return event;
  },

  list: (call: Call): Stripe.ApiList<Stripe.EventBase> => {
    const { params, world } = call;
    const one = params.text('type');
    const several = params.list('types');
    const created = params.range('created');
    return listed(call, world.state.events, ['created', 'type', 'types'], (event) => {
      const matches = (type: string) =>
        type.endsWith('*') ? event.type.startsWith(type.slice(0, -1)) : type === event.type;
      return (
        (one === undefined || matches(one)) &&
        (several === undefined || several.some(matches)) &&
        created(event.created)
      );
    });
  },
};
