export { LEDGER_CODES, type LedgerCode, type Place, normalSide } from './chart.js';
export { type Transfer, type Entry, entry, reverse } from './entry.js';
export { accrueUsage } from './recipes/usage.js';
export { capturePayment, settlePayment, failPayment, recoverPayment, gasCost } from './recipes/payments.js';
export {
  cancelRefund,
  captureTopUp,
  expireGrant,
  failTopUp,
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
