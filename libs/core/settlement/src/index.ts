export {
  TRANSACTION_STATES,
  TRANSACTION_TRANSITIONS,
  OPEN_TRANSACTION_STATES,
  type TransactionState,
  advanceTransaction,
} from './transaction-states.js';
export {
  SettlementRail,
  type BlockRef,
  type Block,
  type ChainView,
  type AuthorizationKey,
  type ExpectedTransfer,
  type AuthorizedTransfer,
  type TokenEvent,
  type Receipt,
  type Simulation,
  type SignedTransaction,
  type BroadcastAnswer,
  type AuthorizationEnd,
} from './rail.js';
export { ChainReader, type ChainHead, type PayerState, type PayerStateRequest } from './chain-reader.js';
export { CrashPoint, type SettlementPlace } from './crash-point.js';
export { type Fees, type Market, firstFees, replacementFees } from './fees.js';
export { type Evidence, evidenceIn } from './evidence.js';
export { type Judgement, type NegativeProof, type Observed, judge } from './judgement.js';
export { type Watched, type Sighting, type Patience, type Step, nextStep } from './watch.js';
export { inSettlingOrder, bisect, retryDelayMs, searchSince } from './batching.js';
