export { Announce } from './announce.js';
export {
  ChangeEndpoint,
  CreateEndpoint,
  type EndpointWithSecret,
  RemoveEndpoint,
  RotateSecret,
} from './change-endpoints.js';
export { DeliverWebhooks } from './deliver-webhooks.js';
export { type Endpoint, type EndpointChange } from './endpoint.js';
export { ReplayEvent } from './replay-event.js';
export { TestEndpoint } from './test-endpoint.js';
export { WebhookSecrets } from './webhook-secrets.js';
export { type Attempt, type Delivery, WebhooksReader } from './webhooks.reader.js';
