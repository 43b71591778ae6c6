import { balance } from './balance.js';
import type { Call } from './call.js';
import { charges } from './charges.js';
import { checkoutSessions } from './checkout-sessions.js';
import { customers } from './customers.js';
import { disputes } from './disputes.js';
import { events } from './events.js';
import { mandates } from './mandates.js';
import { paymentIntents } from './payment-intents.js';
import { paymentMethods } from './payment-methods.js';
import { payouts } from './payouts.js';
import { refunds } from './refunds.js';
import { setupIntents } from './setup-intents.js';
import { webhookEndpoints } from './webhook-endpoints.js';

export type Operation = (call: Call) => object;
export type Route = readonly [method: 'GET' | 'POST' | 'DELETE', path: string, operation: Operation];

/** Everything of the API that the LOCAL STAND-IN has. */
export const ROUTES: readonly Route[] = [
  ['GET', '/v1/balance', balance.retrieve],
  ['GET', '/v1/balance_transactions', balance.listTransactions],
  ['GET', '/v1/balance_transactions/:id', balance.retrieveTransaction],

  ['GET', '/v1/charges', charges.list],
  ['GET', '/v1/charges/search', charges.search],
  ['GET', '/v1/charges/:id', charges.retrieve],
  ['POST', '/v1/charges/:id', charges.update],

  ['GET', '/v1/checkout/sessions', checkoutSessions.list],
  ['POST', '/v1/checkout/sessions', checkoutSessions.create],
  ['GET', '/v1/checkout/sessions/:id', checkoutSessions.retrieve],
  ['POST', '/v1/checkout/sessions/:id/expire', checkoutSessions.expire],
  ['GET', '/v1/checkout/sessions/:id/line_items', checkoutSessions.lineItems],

  ['GET', '/v1/customers', customers.list],
  ['POST', '/v1/customers', customers.create],
  ['GET', '/v1/customers/search', customers.search],
  ['GET', '/v1/customers/:id', customers.retrieve],
  ['POST', '/v1/customers/:id', customers.update],
  ['DELETE', '/v1/customers/:id', customers.remove],
  ['GET', '/v1/customers/:id/payment_methods', paymentMethods.list],

  ['GET', '/v1/disputes', disputes.list],
  ['GET', '/v1/disputes/:id', disputes.retrieve],
  ['POST', '/v1/disputes/:id', disputes.update],
  ['POST', '/v1/disputes/:id/close', disputes.close],

  ['GET', '/v1/events', events.list],
  ['GET', '/v1/events/:id', events.retrieve],

  ['GET', '/v1/mandates/:id', mandates.retrieve],

  ['GET', '/v1/payment_intents', paymentIntents.list],
  ['POST', '/v1/payment_intents', paymentIntents.create],
  ['GET', '/v1/payment_intents/search', paymentIntents.search],
  ['GET', '/v1/payment_intents/:id', paymentIntents.retrieve],
  ['POST', '/v1/payment_intents/:id', paymentIntents.update],
  ['POST', '/v1/payment_intents/:id/cancel', paymentIntents.cancel],
  ['POST', '/v1/payment_intents/:id/capture', paymentIntents.capture],
  ['POST', '/v1/payment_intents/:id/confirm', paymentIntents.confirm],

  ['GET', '/v1/payment_methods', paymentMethods.list],
  ['POST', '/v1/payment_methods', paymentMethods.create],
  ['GET', '/v1/payment_methods/:id', paymentMethods.retrieve],
  ['POST', '/v1/payment_methods/:id', paymentMethods.update],
  ['POST', '/v1/payment_methods/:id/attach', paymentMethods.attach],
  ['POST', '/v1/payment_methods/:id/detach', paymentMethods.detach],

  ['GET', '/v1/payouts', payouts.list],
  ['POST', '/v1/payouts', payouts.create],
  ['GET', '/v1/payouts/:id', payouts.retrieve],
  ['POST', '/v1/payouts/:id', payouts.update],
  ['POST', '/v1/payouts/:id/cancel', payouts.cancel],

  ['GET', '/v1/refunds', refunds.list],
  ['POST', '/v1/refunds', refunds.create],
  ['GET', '/v1/refunds/:id', refunds.retrieve],
  ['POST', '/v1/refunds/:id', refunds.update],

  ['GET', '/v1/setup_intents', setupIntents.list],
  ['POST', '/v1/setup_intents', setupIntents.create],
  ['GET', '/v1/setup_intents/:id', setupIntents.retrieve],
  ['POST', '/v1/setup_intents/:id', setupIntents.update],
  ['POST', '/v1/setup_intents/:id/cancel', setupIntents.cancel],
  ['POST', '/v1/setup_intents/:id/confirm', setupIntents.confirm],

  ['GET', '/v1/webhook_endpoints', webhookEndpoints.list],
  ['POST', '/v1/webhook_endpoints', webhookEndpoints.create],
  ['GET', '/v1/webhook_endpoints/:id', webhookEndpoints.retrieve],
  ['POST', '/v1/webhook_endpoints/:id', webhookEndpoints.update],
  ['DELETE', '/v1/webhook_endpoints/:id', webhookEndpoints.remove],
];
