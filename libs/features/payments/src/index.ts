export { AuthorizePayment } from './exact/authorize-payment.js';
export { CheckPayment } from './gate/check-payment.js';
export { CapturePayment, ExtendPayment, ReadPayment, VoidPayment } from './gate/handle-payment.js';
export type { RequestToCapture, RequestToCheck, RequestToExtend } from './gate/way-to-pay.js';
export { VerifyFacilitated, SettleFacilitated, ListSupported } from './facilitator/facilitate.js';
export type { RelayDoors } from './facilitator/channels/relay-doors.js';
export type { ChannelDoors } from './channels/channel-doors.js';
export { CheckCeiling } from './upto/check-ceiling.js';
export type { UptoDoors } from './upto/upto-doors.js';
export { ReadRecord, type RecordDecision } from './receipts/read-record.js';
export { SweepIdentifiers } from './receipts/sweep-identifiers.js';
export { type Payments, type PaymentsPorts, openPayments } from './payments.js';
export {
  type CaptureDecision,
  type CheckDecision,
  type ExtendDecision,
  type PaymentStatus,
  type PaymentView,
  type WireReply,
} from './gate/gate-decisions.js';
export {
  ListResources,
  PublishResource,
  WithdrawResource,
  type ResourceToPublish,
} from './discovery/publish-resource.js';
export { DiscoverResources, type DiscoveredResource, type DiscoveryQuery } from './discovery/discover-resources.js';
export { captureSale } from './sales/capture-sale.js';
export type { ClaimedPayment, Sale, ShownHeaders, Sold } from './sales/sale.js';
export { type Sell } from './sales/sell.js';
export { CreditTopUps } from './topups/credit-topups.js';
export { type Refund, REFUND_STATES } from './topups/refund.js';
export { paidSaleStatus, publicPath } from './sales/sale-document.js';
