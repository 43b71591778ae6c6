export type {
  AgentProof,
  BatchAnswer,
  BatchQuestion,
  CaptureDecision,
  CaptureRequest,
  CheckDecision,
  CheckRequest,
  ExtendDecision,
  ExtendRequest,
  PaymentStatus,
  PaymentView,
  VoidDecision,
  VoidRequest,
  WireReply,
} from './contract.js';
export { GateError, InvalidOptionError, PaywallError, StreamStoppedError } from './errors.js';
export { NodePaywall as Paywall } from './node/node-paywall.js';
export type { PaywallOptions, PriceOptions, StreamOptions } from './options.js';
export type { Admission, Release } from './paywall.js';
export { PricedCall } from './priced-call.js';
