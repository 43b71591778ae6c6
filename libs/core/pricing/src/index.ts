export { PRICE_MODELS, type PriceModel, type PriceTerms, readTerms } from './price-model.js';
export { type PriceVersion, type PricedPart, priceInForce, pricedParts, quote, rate } from './price-version.js';
