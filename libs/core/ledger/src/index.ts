export { LEDGER_CODES, type LedgerCode, type Place, normalSide } from './chart.js';
export { type Transfer, type Entry, entry, reverse } from './entry.js';
export { accrueUsage } from './recipes/usage.js';
export { capturePayment, settlePayment, failPayment, recoverPayment, gasCost } from './recipes/payments.js';
export {
  cancelRefund,
  captureTopUp,
  expireGrant,
  issueGrant,
  loseTopUp,
  refundGrant,
  renewGrant,
  restoreGrants,
  settleRefund,
  spendGrants,
  voidGrant,
} from './recipes/wallet.js';
export { captureByVoucher, loseClaim, recoverClaim, settleClaim } from './recipes/channels.js';
export { billStatement } from './recipes/deferred.js';
export {
  carryRemainder,
  collect,
  failDebit,
  returnCollected,
  startDebit,
  writeOffStatement,
} from './recipes/collections.js';
export { legsAtPar } from './recipes/at-par.js';
export { failUnapplied } from './recipes/unapplied.js';
export { applyStatementPayment, captureStatementPayment } from './recipes/statement-payments.js';
export {
  loseCheckout,
  makeAvailable,
  oweCardRefund,
  payOut,
  postMovement,
  receiveCheckout,
  type StripeMovement,
} from './recipes/stripe.js';
