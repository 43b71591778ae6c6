export { type Amount, amount, subtractAmounts, parseAtomic } from './amount.js';
export { type AssetId, type Asset, assetId, erc20Asset, nativeAsset, USD } from './asset.js';
export { currency } from './currencies.js';
export {
  type Decimal,
  type Rounding,
  ZERO,
  decimal,
  parseDecimal,
  formatDecimal,
  addDecimals,
  subtractDecimals,
  multiplyDecimals,
  divideDecimals,
  compareDecimals,
  negateDecimal,
  roundDecimal,
  toAtomic,
  fromAtomic,
} from './decimal.js';
export { allocate } from './allocate.js';
