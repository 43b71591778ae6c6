/** How much JSON a reader takes. Depth counts nested containers, the outermost being 1; strings count UTF-16 units. */
export interface JsonLimits {
  readonly depth: number;
  readonly keys: number;
  readonly string: number;
}

export type JsonObject = Record<string, unknown>;

export type JsonReading =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };

interface Tally {
  readonly limits: JsonLimits;
  /** False when no string of the document can hold a character that PostgreSQL refuses to store. */
  readonly escapes: boolean;
  keys: number;
}

const QUOTE = 34;
const COLON = 58;
const BACKSLASH = 92;

// NUL and lone surrogates pass JSON.parse, yet no jsonb column takes them.
const UNSTORABLE = /[\0\p{Cs}]/u;

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Counts the keys written in a valid JSON text: outside strings, a colon stands after a key and nowhere else. JSON.parse
 * keeps one of two equal keys, so a text with more keys than the value it parsed to has a duplicate, however escaped.
 */
function keysWritten(text: string): number {
  let keys = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === COLON) keys += 1;
  }
  return keys;
}

function faultOfString(text: string, tally: Tally): string | undefined {
  if (text.length > tally.limits.string) return `has a string of more than ${tally.limits.string} characters`;
  if (tally.escapes && UNSTORABLE.test(text)) return 'has a string with a character that cannot be kept';
  return undefined;
}

function faultOf(value: unknown, depth: number, tally: Tally): string | undefined {
  if (typeof value === 'string') return faultOfString(value, tally);
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'has a number that is not finite';
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > tally.limits.depth) return `is nested deeper than ${tally.limits.depth} levels`;
  if (Array.isArray(value)) {
    for (const item of value) {
      const fault = faultOf(item, depth + 1, tally);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  for (const [key, item] of Object.entries(value)) {
    tally.keys += 1;
    if (tally.keys > tally.limits.keys) return `has more than ${tally.limits.keys} keys`;
    if (FORBIDDEN_KEYS.has(key)) return 'has a key that is not allowed';
    const fault = faultOfString(key, tally) ?? faultOf(item, depth + 1, tally);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Holds an already parsed value to the limits; duplicate keys can no longer be seen in it. */
export function checkJson(value: unknown, limits: JsonLimits): JsonReading {
  const fault = faultOf(value, 1, { limits, escapes: true, keys: 0 });
  return fault === undefined ? { ok: true, value } : { ok: false, message: fault };
}

/**
 * Parses JSON text within limits: no duplicate keys, no key that reaches a prototype, finite numbers only. Messages never
 * quote the text.
 */
export function readJson(text: string, limits: JsonLimits): JsonReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, message: 'is not JSON' };
  }
  const tally: Tally = { limits, escapes: text.includes('\\'), keys: 0 };
  const fault = faultOf(value, 1, tally);
  if (fault !== undefined) return { ok: false, message: fault };
  if (keysWritten(text) !== tally.keys) return { ok: false, message: 'has the same key twice in one object' };
  return { ok: true, value };
}
