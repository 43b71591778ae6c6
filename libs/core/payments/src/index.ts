export { PAYMENT_STATES, PAYMENT_TRANSITIONS, advance, type PaymentState } from './states.js';
export { type PayableAssets, type PaymentAsset } from './payment-asset.js';
export {
  RELEASE_LEVELS,
  AUTHORIZATION_SECONDS,
  type ReleaseLevel,
  type QuotedRequest,
  type Quote,
  quoteLife,
  requirementsOf,
  requirementV1Of,
} from './quote.js';
export { checkAuthorization, SERVICE_SECONDS, SETTLE_SECONDS } from './check-authorization.js';
export { checkCeiling, type CeilingOffer } from './check-ceiling.js';
export { releaseLevel, releases, type ReleasePolicy } from './release.js';
export { captureExact } from './capture.js';
export {
  type OpenCall,
  type VoucherDecision,
  decideVoucher,
  mirrorSeconds,
  minDeposit,
  leastDeposit,
} from './channel-vouchers.js';
export { chargeVoucher } from './channel-charge.js';
export { checkDeposit } from './channel-deposit.js';
