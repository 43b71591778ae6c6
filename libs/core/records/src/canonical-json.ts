import { Fault } from '@core/faults';

/** JSON without numbers that have a fraction: those have no one spelling. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [field: string]: Json | undefined };

/**
 * The one spelling of a JSON value (RFC 8785): keys sorted by UTF-16 code unit, no blanks. Equal values give equal bytes,
 * so that they can be signed. Fields that are undefined are left out.
 * @throws Fault invariant_broken for a number that is no safe integer
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new Fault('invariant_broken', 'only whole numbers are signed');
    return Object.is(value, -0) ? '0' : String(value);
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const fields = Object.entries(value)
    .filter((field): field is [string, Json] => field[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${canonicalJson(inner)}`).join(',')}}`;
}

/**
 * Values that came out of JSON, as JSON to sign.
 * @throws Fault invariant_broken for what is no JSON
 */
export function jsonOf(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number')
    return value;
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value !== 'object') throw new Fault('invariant_broken', `a ${typeof value} is no JSON`);
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => (inner === undefined ? [] : [[name, jsonOf(inner)]])),
  );
}

const isList = (value: object): value is readonly Json[] => Array.isArray(value);
