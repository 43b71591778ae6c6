export { CreatePrice, type PriceDefinition } from './create-price.js';
export { type PriceSpec } from './read-price.js';
export { PRICE_SOURCES, PriceBook, type PriceSource, type StoredPrice } from './price-book.js';
export { PriceBookCache, type PricedMeter } from './price-book-cache.js';
export { type AccountPlanMove, PlanReader, type StoredPlan, type StoredPlanVersion } from './plan.reader.js';
export { CreatePlan, type PlanContent, RevisePlan } from './create-plan.js';
export { MigratePlan, MoveAccount } from './move-accounts.js';
export { type AccountPrice, AccountPriceReader, OverridePrice } from './override-price.js';
export { RateUsage, type RatingResult } from './rate-usage.js';
export { type Charge, ChargeReader } from './charge.reader.js';
export { RatingProblems, type RatingProblem } from './rating-problems.js';
export { type ClosedPeriod, ClosePeriod, PeriodReader } from './close-period.js';
export {
  BackTestPrice,
  type BackTest,
  type BackTestedAccount,
  type BackTestInput,
  type RatedMoney,
} from './back-test-price.js';
export { type BackfillPreview, type MoneyChange, PreviewBackfill, type PreviewProblem } from './preview-backfill.js';
