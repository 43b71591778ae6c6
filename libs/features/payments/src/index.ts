export { AuthorizePayment } from './authorize-payment.js';
export { CheckPayment, type RequestToCheck } from './check-payment.js';
export { CapturePayment, type RequestToCapture } from './capture-payment.js';
export { VoidPayment } from './void-payment.js';
export { ReadPayment } from './read-payment.js';
export { VerifyFacilitated, SettleFacilitated, ListSupported } from './facilitate.js';
export { type Payments, type PaymentsPorts, openPayments } from './payments.js';
export {
  type CaptureDecision,
  type CheckDecision,
  type PaymentStatus,
  type PaymentView,
  type WireReply,
} from './gate-decisions.js';
