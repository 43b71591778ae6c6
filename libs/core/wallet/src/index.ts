export {
  freeOf,
  type Grant,
  GRANT_KINDS,
  type GrantKind,
  grantState,
  type GrantState,
  hasExpired,
  inBurnOrder,
  isUsable,
  remainingOf,
} from './grant.js';
export { addUp, burn, type Burned, drain, lessParts, type Part, restore } from './burn.js';
export {
  cashOf,
  lapse,
  nextRenewal,
  type Recurrence,
  refundable,
  refundGrant,
  renewGrant,
  voidGrant,
} from './grant-ends.js';
export {
  budgetId,
  budgetOf,
  type CountedIn,
  count,
  type Counter,
  counterOf,
  fits,
  isSubject,
  type Limit,
  LIMIT_WINDOWS,
  type LimitSubject,
  limitVerdict,
  type LimitWindow,
  windowEnd,
  windowStart,
} from './limits.js';
export { fallingTo, limitAlerts, multiplesReached, risingTo, shareOf, type WalletAlert } from './alerts.js';
export { topUpEnded, topUpVerdict, type TopUpSettings, type TopUpState } from './top-up.js';
export { availableFor, changeGrants, creditLeft, EMPTY_WALLET, heldOf, postedOf, type Wallet } from './wallet.js';
export {
  alertsOf,
  captureHold,
  type Charge,
  expireHold,
  extendHold,
  type Hold,
  type HoldRequest,
  type HoldState,
  type Refusal,
  releaseHold,
  reverseCharge,
  takeHold,
} from './holds.js';
export { type Assigned, assignHold, type Assignment } from './assign-hold.js';
