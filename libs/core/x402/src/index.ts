export { type Hex } from './hex.js';
export { type JsonObject } from './strict-json.js';
export { PAYMENT_LIMITS, decodeHeader } from './header-text.js';
export { type X402Error } from './error-codes.js';
export { networkOfChain, chainIdOf, networkOfNameV1, nameV1OfNetwork } from './networks.js';
export { paymentRequirementsSchema, type PaymentRequirements, type PaymentRequired } from './requirements.js';
export { type PaymentPayload } from './payload.js';
export {
  settlementResponseSchema,
  type SettlementResponse,
  verifyResponseSchema,
  type VerifyResponse,
  supportedResponseSchema,
  type SupportedResponse,
} from './answers.js';
export {
  requirementV1Schema,
  type RequirementV1,
  type PaymentRequiredV1,
  type PaymentPayloadV1,
} from './version-one.js';
export { type ExactAuthorization, exactAuthorizationOf, exactPayloadOf } from './exact.js';
export { matchesRequirements, sameRequirements, sameJson } from './matching.js';
export { type AuthorizationVerdict, AuthorizationVerifier, type TokenDomain } from './authorization-verifier.js';
export {
  X402_HEADERS,
  type Refusal,
  decodePaymentHeader,
  decodePaymentHeaderV1,
  readPaymentPayload,
  readPaymentPayloadV1,
  decodePaymentRequired,
  decodeSettlementResponse,
  encodePaymentRequired,
  encodePaymentPayload,
  encodePaymentPayloadV1,
  encodeSettlementResponse,
} from './headers.js';
export {
  BATCH_SETTLEMENT,
  BATCH_CONTRACTS,
  type BatchContracts,
  ZERO_ADDRESS,
  type ChannelConfig,
  type ChannelTerms,
  type Voucher,
  channelProblem,
} from './batch-channel.js';
export { type BatchPayment, batchPaymentOf, type ChannelDeposit, type Erc3009Deposit } from './batch-payload.js';
export { type ChannelStanding, channelStateOf, correctiveExtra, paidByVoucherExtra } from './batch-answers.js';
export { batchRelayOf, type RelayedClaim, type ChannelFunds, fundsProblem } from './batch-relay.js';
export { VoucherVerifier, type VoucherVerdict } from './batch-verifier.js';
export { uptoAuthorizationOf } from './upto.js';
export { PAYMENT_IDENTIFIER, PAYMENT_IDENTIFIER_DECLARATION, paymentIdentifierOf } from './payment-identifier.js';
export { OFFER_RECEIPT, type ReceiptPayload, offerPayloadOf, signedOffers, signedReceipt } from './offer-receipt.js';
