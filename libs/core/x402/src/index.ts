export { type Hex, lowerAddress } from './hex.js';
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
export { type BatchRelay, batchRelayOf, type RelayedClaim, type ChannelFunds, fundsProblem } from './batch-relay.js';
export { type RelayRequest, readRelayRequest } from './relay-request.js';
export { VoucherVerifier, type VoucherVerdict } from './batch-verifier.js';
export { UPTO, UPTO_CONTRACTS, type UptoContracts } from './upto-contracts.js';
export { type UptoAuthorization, uptoAuthorizationOf, uptoPayloadOf } from './upto.js';
export { UptoVerifier } from './upto-verifier.js';
export { PAYMENT_IDENTIFIER, PAYMENT_IDENTIFIER_DECLARATION, paymentIdentifierOf } from './payment-identifier.js';
export { OFFER_RECEIPT, type ReceiptPayload, offerPayloadOf, signedOffers, signedReceipt } from './offer-receipt.js';
export {
  CREDIT_NETWORK,
  CREDIT_VERSION,
  type CreditError,
  creditOffer,
  type CreditPayment,
  creditPaymentOf,
  HTTP_MESSAGE_SIGNATURES,
  httpMessageSignatures,
} from './credit-offer.js';
export {
  ATTESTATION_SECONDS,
  ATTESTATION_TYPE,
  ATTESTED_HOLD_SECONDS,
  type AttestationClaims,
  attestationClaimsOf,
  attestationDocument,
  type AttestedPurchase,
  isPresentable,
  judgeAttestation,
} from './credit-attestation.js';
