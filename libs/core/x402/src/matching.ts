import type { PaymentRequirements } from './requirements.js';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const writtenKeys = (value: Record<string, unknown>): string[] =>
  Object.keys(value).filter((key) => value[key] !== undefined);

/** Equality of JSON values. The order of keys does not count, the order of lists does; undefined counts as absent. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = writtenKeys(a);
  return (
    keys.length === writtenKeys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
}

const sameTerms = (a: PaymentRequirements, b: PaymentRequirements): boolean =>
  a.scheme === b.scheme &&
  a.network === b.network &&
  a.amount === b.amount &&
  a.asset === b.asset &&
  a.payTo === b.payTo &&
  a.maxTimeoutSeconds === b.maxTimeoutSeconds;

/**
 * Whether the payer accepted this offer: equal terms, and every key of the offer's `extra` present with an equal value. The
 * payer may add keys to `extra`. From a match on use the offer, not the payer's copy.
 */
export function matchesRequirements(offer: PaymentRequirements, accepted: PaymentRequirements): boolean {
  if (!sameTerms(offer, accepted)) return false;
  const { extra } = offer;
  if (extra === undefined) return true;
  const given = accepted.extra;
  if (given === undefined) return false;
  return writtenKeys(extra).every((key) => Object.hasOwn(given, key) && sameJson(extra[key], given[key]));
}

/** Whether two offers are the same to the last key of `extra`; without `extra` is not the same as an empty one. */
export const sameRequirements = (a: PaymentRequirements, b: PaymentRequirements): boolean =>
  sameTerms(a, b) && sameJson(a.extra, b.extra);
