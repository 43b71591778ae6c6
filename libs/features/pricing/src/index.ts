export { CreatePrice, type PriceDefinition } from './create-price.js';
export { PriceBook, type StoredPrice } from './price-book.js';
export { PriceBookCache, type PricedMeter } from './price-book-cache.js';
export { RateUsage, type RatingResult } from './rate-usage.js';
export { type Charge, ChargeReader } from './charge.reader.js';
