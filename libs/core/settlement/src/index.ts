export { type TransactionState, advanceTransaction } from './transaction-states.js';
export {
  SettlementRail,
  type Block,
  type ChainView,
  type AuthorizationKey,
  type CeilingKey,
  type AuthorizedTransfer,
  type TokenEvent,
  type Receipt,
  type Simulation,
  type SignedTransaction,
  type BroadcastAnswer,
  type AuthorizationEnd,
} from './rail.js';
export { ChainReader, type ChainHead, type PayerState, type PayerStateRequest } from './chain-reader.js';
export { CeilingReader, type CeilingState } from './ceiling-reader.js';
export { CrashPoint, type SettlementPlace } from './crash-point.js';
export { type Fees, type Market, firstFees, replacementFees } from './fees.js';
export { evidenceIn } from './evidence.js';
export { type Judgement, type NegativeProof, judge } from './judgement.js';
export { type Watched, type Step, nextStep } from './watch.js';
export { inSettlingOrder, bisect, retryDelayMs, searchSince } from './batching.js';
export {
  ChannelChain,
  type ChannelOnChain,
  type ChannelsAt,
  type ReceiverOnChain,
  type ClaimRow,
  type ChannelMove,
  type ChannelEvent,
  type ChannelLog,
  type ChannelReceipt,
  type ChannelSimulation,
} from './channel-rail.js';
export { planClaim } from './claims.js';
export { type RelayOrder, type ChannelsSeen, moveOf, transferOf, channelsOf, isReached } from './relay-order.js';
