export { type CollectionCommands, collectionCommands, openCollectNow } from './collection-commands.js';
export { OpenCollections } from './open-collections.js';
export { CollectDue } from './collect-due.js';
export { ConfirmAttempt } from './confirm-attempt.js';
export { CollectNow } from './collect-now.js';
export { MarkPastDue } from './mark-past-due.js';
export { PastDueAccounts } from './past-due-accounts.js';
export { type AttemptView, CollectionsReader, type CollectionView } from './collections.reader.js';
export { type Collected, CollectionReversals } from './collection-reversals.js';
export { TakeStripeEvent } from './events/take-stripe-event.js';
export { ApplyStripeEvents } from './events/apply-stripe-events.js';
export {
  allHandlers,
  collectionHandlers,
  type Handled,
  type StripeEventHandler,
  type StripeEventHandlers,
  type StripeHint,
} from './events/stripe-event-handlers.js';
export { PaymentMethods, type StripeRailName, type UsableMethod } from './methods/payment-methods.js';
export { StoredMethods } from './methods/stored-methods.js';
export { ApplyStatementPayments } from './sweeps/apply-statement-payments.js';
export { openApplyStatementPayments, openStatementSweeps, type StatementSweeps } from './sweeps/open-sweeps.js';
export { STATEMENT_PAYMENT_STATUSES } from './sweeps/statement-payment.js';
export { ManageMethods, type MethodState, type PaymentMethod } from './methods/stored-methods.js';
export { type OpenedCheckout, OpenCheckout } from './checkouts/open-checkout.js';
export { SettleCheckouts } from './checkouts/settle-checkouts.js';
export { ImportBalance } from './balance/import-balance.js';
export { TakeDispute } from './disputes/take-dispute.js';
export { type CardRefund, RefundStatement } from './refunds/refund-statement.js';
export { SendCardRefunds } from './refunds/send-card-refunds.js';
export { type StripeAccountCommands, stripeAccountCommands } from './stripe-account.js';
