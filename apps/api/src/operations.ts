import { OperationTable } from '@platform/http';
import { accountOperations } from './controllers/accounts.controller.js';
import { agreementOperations } from './controllers/agreements.controller.js';
import { backfillOperations } from './controllers/backfills.controller.js';
import { storedEventOperations } from './controllers/events.controller.js';
import { heldEventOperations } from './controllers/held-events.controller.js';
import { keyOperations } from './controllers/keys.controller.js';
import { ledgerOperations } from './controllers/ledger.controller.js';
import { meterOperations } from './controllers/meters.controller.js';
import { systemOperations } from './controllers/operations.controller.js';
import { periodOperations } from './controllers/periods.controller.js';
import { planOperations } from './controllers/plans.controller.js';
import { priceOperations } from './controllers/prices.controller.js';
import { providerOperations } from './controllers/provider.controller.js';
import { statementOperations } from './controllers/statements.controller.js';
import { usageOperations } from './controllers/usage.controller.js';
import { eventOperations } from './routes/events.route.js';
import { facilitatorOperations } from './routes/facilitator.routes.js';
import { gateOperations } from './routes/gate.routes.js';
import { paymentOperations } from './routes/payments.route.js';
import { resourceOperations } from './routes/resources.routes.js';
import { streamOperations } from './routes/stream.route.js';

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
  ...facilitatorOperations,
  ...resourceOperations,
  ...accountOperations,
  ...agreementOperations,
  ...statementOperations,
  ...periodOperations,
  ...ledgerOperations,
  ...providerOperations,
  ...keyOperations,
  ...systemOperations,
]);
