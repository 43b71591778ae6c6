export { type Hex } from './hex.js';
export { type JsonObject } from './strict-json.js';
export { X402_ERRORS, type X402Error, isX402Error } from './error-codes.js';
export { networkOfChain, chainIdOf, networkOfNameV1, nameV1OfNetwork } from './networks.js';
export {
  resourceInfoSchema,
  type ResourceInfo,
  paymentRequirementsSchema,
  type PaymentRequirements,
  paymentRequiredSchema,
  type PaymentRequired,
} from './requirements.js';
export { paymentPayloadSchema, type PaymentPayload } from './payload.js';
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
  paymentRequiredV1Schema,
  type PaymentRequiredV1,
  paymentPayloadV1Schema,
  type PaymentPayloadV1,
} from './version-one.js';
export {
  exactEip3009PayloadSchema,
  type ExactEip3009Payload,
  type ExactAuthorization,
  type ExactReading,
  exactAuthorizationOf,
  exactPayloadOf,
} from './exact.js';
export { matchesRequirements, sameRequirements, sameJson } from './matching.js';
export { type AuthorizationVerdict, AuthorizationVerifier, type TokenDomain } from './authorization-verifier.js';
export {
  X402_HEADERS,
  type Reading,
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
