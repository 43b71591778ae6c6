import { OperationTable } from '@platform/http';
import { accountOperations } from './controllers/accounts.controller.js';
import { keyOperations } from './controllers/keys.controller.js';
import { ledgerOperations } from './controllers/ledger.controller.js';
import { meteringOperations } from './controllers/metering.controller.js';
import { systemOperations } from './controllers/operations.controller.js';
import { pricingOperations } from './controllers/pricing.controller.js';
import { providerOperations } from './controllers/provider.controller.js';
import { statementOperations } from './controllers/statements.controller.js';
import { eventOperations } from './routes/events.route.js';
import { facilitatorOperations } from './routes/facilitator.routes.js';
import { gateOperations } from './routes/gate.routes.js';
import { paymentOperations } from './routes/payments.route.js';

/** Everything the api does, in the order of the documents. */
export const operations = new OperationTable([
  ...eventOperations,
  ...meteringOperations,
  ...pricingOperations,
  ...gateOperations,
  ...paymentOperations,
  ...facilitatorOperations,
  ...accountOperations,
  ...statementOperations,
  ...ledgerOperations,
  ...providerOperations,
  ...keyOperations,
  ...systemOperations,
]);
