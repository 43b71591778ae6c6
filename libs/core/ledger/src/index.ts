export { LEDGER_CODES, type LedgerCode, type Place, normalSide } from './chart.js';
export { type Transfer, type Entry, entry, reverse } from './entry.js';
export { accrueUsage } from './recipes/usage.js';
export {
  capturePayment,
  settlePayment,
  failPayment,
  recoverPayment,
  gasCost,
  type PaidCharge,
} from './recipes/payments.js';
