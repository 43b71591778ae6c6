import type Stripe from 'stripe';
import type { Call } from './call.js';
import { invalidRequest, noSuch } from './errors.js';
import { API_VERSION } from './events.js';
import { listed } from './listing.js';
import type { World } from './world.js';

export const webhookEndpoints = {
  /** The secret is in this answer and in no other. */
  create: ({ world, params }: Call): Stripe.WebhookEndpoint => {
    params.only('url', 'enabled_events', 'api_version', 'description', 'metadata', 'connect');
    const url = checkedUrl(params.need('url'));
    const wanted = params.list('enabled_events');
    if (wanted === undefined)
      throw invalidRequest('Missing required param: enabled_events.', 'enabled_events', 'parameter_missing');
    const endpoint = addEndpoint(world, url, world.secret('whsec'), wanted);
    endpoint.description = params.text('description') ?? null;
    endpoint.metadata = params.metadata();
    return { ...endpoint, secret: world.state.endpointSecrets[endpoint.id] };
  },

  retrieve: ({ world, id }: Call): Stripe.WebhookEndpoint => {
    return endpointOf(world, id);
  },

  update: ({ world, params, id }: Call): Stripe.WebhookEndpoint => {
    params.only('url', 'enabled_events', 'description', 'metadata', 'disabled');
    const endpoint = endpointOf(world, id);
    if (params.has('url')) endpoint.url = checkedUrl(params.need('url'));
    endpoint.enabled_events = params.list('enabled_events') ?? endpoint.enabled_events;
    if (params.has('disabled')) endpoint.status = params.flag('disabled') === true ? 'disabled' : 'enabled';
    endpoint.metadata = params.metadata(endpoint.metadata);
    return endpoint;
  },

  remove: ({ world, id }: Call): Stripe.DeletedWebhookEndpoint => {
    endpointOf(world, id);
    delete world.state.webhookEndpoints[id];
    delete world.state.endpointSecrets[id];
    return { id, object: 'webhook_endpoint', deleted: true };
  },

  list: (call: Call): Stripe.ApiList<Stripe.WebhookEndpoint> => {
    return listed(call, call.world.state.webhookEndpoints, [], () => true);
  },
};

export function addEndpoint(world: World, url: string, secret: string, wanted: string[]): Stripe.WebhookEndpoint {
  const endpoint: Stripe.WebhookEndpoint = {
    id: world.id('we'),
    object: 'webhook_endpoint',
    api_version: API_VERSION,
    application: null,
    created: world.clock.seconds(),
    description: null,
    enabled_events: wanted,
    livemode: false,
    metadata: {},
    status: 'enabled',
    url,
  };
  world.state.webhookEndpoints[endpoint.id] = endpoint;
  world.state.endpointSecrets[endpoint.id] = secret;
  return endpoint;
}

/** Events go to a port of this machine and nowhere else. */
function checkedUrl(url: string): string {
  if (/^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(?:\/|$)/.test(url)) return url;
  throw invalidRequest(
    'Invalid URL: this local stand-in delivers to this machine only, over http.',
    'url',
    'url_invalid',
  );
}

function endpointOf(world: World, id: string): Stripe.WebhookEndpoint {
  const endpoint = world.state.webhookEndpoints[id];
  if (endpoint === undefined) throw noSuch('webhook endpoint', id);
  return endpoint;
}
