export { IdSource, type IdPrefix, ID_PREFIXES, isId } from './ids.js';
