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
export { checkAuthorization, SERVICE_SECONDS, type AuthorizationCheck } from './check-authorization.js';
export { releaseLevel, releases, type ReleasePolicy } from './release.js';
export { captureExact, type CaptureVerdict } from './capture.js';
