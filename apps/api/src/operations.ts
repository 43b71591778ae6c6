import { OperationTable } from '@platform/http';
import { accountOperations } from './controllers/accounts.controller.js';
import { agentKeyOperations } from './controllers/agent-keys.controller.js';
import { agentOperations } from './controllers/agent.controller.js';
import { agreementOperations } from './controllers/agreements.controller.js';
import { backfillOperations } from './controllers/backfills.controller.js';
import { cardRefundOperations } from './controllers/card-refunds.controller.js';
import { collectionOperations } from './controllers/collections.controller.js';
import { storedEventOperations } from './controllers/events.controller.js';
import { grantOperations } from './controllers/grants.controller.js';
import { heldEventOperations } from './controllers/held-events.controller.js';
import { identityOperations } from './controllers/identities.controller.js';
import { keyOperations } from './controllers/keys.controller.js';
import { ledgerOperations } from './controllers/ledger.controller.js';
import { limitOperations } from './controllers/limits.controller.js';
import { meterOperations } from './controllers/meters.controller.js';
import { systemOperations } from './controllers/operations.controller.js';
import { paymentMethodOperations } from './controllers/payment-methods.controller.js';
import { periodOperations } from './controllers/periods.controller.js';
import { planOperations } from './controllers/plans.controller.js';
import { priceOperations } from './controllers/prices.controller.js';
import { providerOperations } from './controllers/provider.controller.js';
import { statementOperations } from './controllers/statements.controller.js';
import { termsOperations } from './controllers/terms.controller.js';
import { usageOperations } from './controllers/usage.controller.js';
import { walletOperations } from './controllers/wallet.controller.js';
import { webhookEndpointOperations } from './controllers/webhook-endpoints.controller.js';
import { webhookEventOperations } from './controllers/webhook-events.controller.js';
import { creditOperations } from './routes/credit.routes.js';
import { eventOperations } from './routes/events.route.js';
import { facilitatorOperations } from './routes/facilitator.routes.js';
import { gateOperations } from './routes/gate.routes.js';
import { paymentOperations } from './routes/payments.route.js';
import { refundOperations } from './routes/refunds.routes.js';
import { resourceOperations } from './routes/resources.routes.js';
import { signingOperations } from './routes/signing.routes.js';
import { statementPaymentOperations } from './routes/statement-payments.routes.js';
import { streamOperations } from './routes/stream.route.js';
import { stripeWebhookOperations } from './routes/stripe-webhook.route.js';
import { topUpOperations } from './routes/topups.routes.js';

/** Everything the api does, in the order of the documents. */
export const operations = new OperationTable([
  ...eventOperations,
  ...streamOperations,
  ...usageOperations,
  ...storedEventOperations,
  ...heldEventOperations,
  ...backfillOperations,
  ...meterOperations,
  ...priceOperations,
  ...planOperations,
  ...gateOperations,
  ...paymentOperations,
  ...signingOperations,
  ...facilitatorOperations,
  ...resourceOperations,
  ...accountOperations,
  ...agentKeyOperations,
  ...identityOperations,
  ...agentOperations,
  ...creditOperations,
  ...topUpOperations,
  ...agreementOperations,
  ...walletOperations,
  ...grantOperations,
  ...refundOperations,
  ...limitOperations,
  ...termsOperations,
  ...paymentMethodOperations,
  ...statementOperations,
  ...statementPaymentOperations,
  ...periodOperations,
  ...collectionOperations,
  ...cardRefundOperations,
  ...stripeWebhookOperations,
  ...ledgerOperations,
  ...webhookEndpointOperations,
  ...webhookEventOperations,
  ...providerOperations,
  ...keyOperations,
  ...systemOperations,
]);
