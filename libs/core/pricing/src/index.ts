export { type PriceDefinitionJson, type PriceJson } from './definition.js';
export { PRICE_MODELS, readTerms } from './price-model.js';
export { type BucketSpan, type PriceModel, type PriceTerms } from './price-terms.js';
export {
  type CountedValue,
  type GroupedQuantity,
  NO_USAGE,
  type RatedUsage,
  type UsageNeed,
  addUsage,
  usageOfRequest,
} from './rated-usage.js';
export { type Commitment, PLAIN_PERIOD, type PeriodTerms, type Prorated, readPeriodTerms } from './period-terms.js';
export { type PriceVersion, type Priced, type PricedPart, priceInForce, pricedParts } from './price-version.js';
export {
  type LinePart,
  type RatingContext,
  billedAtEnd,
  carryFraction,
  costOf,
  quote,
  rate,
  rateExactly,
  ratePart,
  roundLines,
  unquotable,
} from './rate.js';
export { type PartToRate, type RatedPart, ratePeriod } from './rate-period.js';
export {
  type Offered,
  type PlanItem,
  type PlanMove,
  type PlanTerms,
  type PriceSources,
  type ResolvedPart,
  type ResolvedPrice,
  planPeriods,
  readPlan,
  resolveParts,
  resolvePrice,
} from './plan.js';
