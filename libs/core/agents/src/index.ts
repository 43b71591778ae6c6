export {
  type AgentProof,
  IDENTITY_KINDS,
  type IdentityKind,
  isIdentityKind,
  IDENTITY_PROOFS,
  type IdentityProof,
  isIdentityProof,
} from './agent-proof.js';
export {
  AGENT_SCOPES,
  type AgentScope,
  isAgentScope,
  BUDGET_SPANS,
  isBudgetSpan,
  type AgentBudget,
  type BudgetProblem,
  budgetProblem,
  isLimited,
} from './agent-keys.js';
export {
  type SignIn,
  type SignInRefusal,
  SIGN_IN_MS,
  placeOf,
  readSignIn,
  signInProblem,
  signInText,
} from './sign-in.js';
export { SIGN_IN_EXTENSION, type SignInChallenge, signInChallenge } from './sign-in-challenge.js';
export { WalletSignatures } from './wallet-signatures.js';
export {
  AGENT_TAG,
  SIGNATURE_SECONDS,
  type MessageSignatureRefusal,
  type SignatureParameters,
  type CoveredComponent,
  judgeParameters,
  judgeCovered,
  agentHostOf,
} from './message-signature.js';
export {
  DIRECTORY_PATH,
  type PublishedKey,
  type DirectoryAnswer,
  KeyDirectory,
  readDirectory,
  keyHolds,
} from './key-directory.js';
