export {
  type AttemptState,
  ATTEMPT_STATES,
  ATTEMPT_TRANSITIONS,
  OPEN_ATTEMPTS,
  advanceAttempt,
  isOpenAttempt,
} from './attempt-states.js';
export {
  type CollectionState,
  COLLECTION_STATES,
  COLLECTION_TRANSITIONS,
  advanceCollection,
} from './collection-states.js';
export { type DeclineMeaning, isAvoided, meaningOf } from './declines.js';
export { type AfterFailure, type DunningSchedule, DEFAULT_DUNNING, afterFailure } from './dunning.js';
export { type Collectable, LEAST_CENTS, MOST_CENTS, atPar, collectable, coveredBy, unitsOfACent } from './amounts.js';
export { type MethodType, chooseMethod } from './choose-method.js';
export { type IntentSeen, type Verdict, afterVerdict, judgeIntent } from './intent.js';
export {
  type AttemptStanding,
  type Step,
  ACTION_WAITS_MS,
  KEY_LIVES_MS,
  nextStep,
  pollAfterMs,
  troubleAfterMs,
} from './next-step.js';
export {
  BillingRail,
  type ActAnswer,
  type Fetched,
  type PrepareAnswer,
  type ReadAnswer,
  type Refused,
  type StoredCall,
  type Unclear,
} from './billing-rail.js';
export { type RailEvent, RailEvents } from './billing-events.js';
export { COLLECTION_PLACES, CollectionCrashPoint, type CollectionPlace } from './crash-point.js';
export { attemptKey } from './keys.js';
export { type Asked, confirmBody, createBody } from './bodies.js';
export { type CheckoutSeen, CheckoutRail, type MethodSeen } from './checkout-rail.js';
export { type BalanceMovement, BalanceRail } from './balance-rail.js';
export { type CardRefundSeen, type DisputeSeen, ReturnsRail } from './returns-rail.js';
