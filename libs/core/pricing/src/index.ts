export { type PriceDefinitionJson } from './definition.js';
export { PRICE_MODELS, readTerms } from './price-model.js';
export { type BucketSpan, type PriceTerms } from './price-terms.js';
export { type RatedUsage, addUsage } from './rated-usage.js';
export { PLAIN_PERIOD, type PeriodTerms, readPeriodTerms } from './period-terms.js';
export { type PriceVersion, type Priced, priceInForce } from './price-version.js';
export {
  type LinePart,
  type RatingContext,
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
export { type Offered, type PlanTerms, type PriceSources, readPlan, resolveParts, resolvePrice } from './plan.js';
