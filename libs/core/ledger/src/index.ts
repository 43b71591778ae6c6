export { LEDGER_CODES, type LedgerCode, type Place, normalSide } from './chart.js';
export { type Transfer, type Entry, entry, reverse } from './entry.js';
export { accrueUsage, capturePayment, settlePayment, failPayment, recoverPayment, gasCost } from './recipes.js';
