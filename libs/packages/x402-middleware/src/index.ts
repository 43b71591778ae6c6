export type {
  AgentProof,
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
export { GateError, InvalidOptionError, PaywallError } from './errors.js';
export type { PaywallOptions, PriceOptions } from './options.js';
export { type Admission, Paywall, type Release } from './paywall.js';
export { PricedCall } from './priced-call.js';
