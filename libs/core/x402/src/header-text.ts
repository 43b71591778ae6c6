import { type JsonLimits, type JsonReading, readJson } from './strict-json.js';

/** What a header may carry. `characters` bounds the base64 text; what it decodes to is three quarters of that. */
interface HeaderLimits extends JsonLimits {
  readonly characters: number;
}

/**
 * For what strangers send: 8 KiB of text, hence at most 6 KiB decoded. Keys and strings leave room for what clients echo of a
 * challenge's extensions: the schemas of several, and signed offers, which are one string each.
 */
export const PAYMENT_LIMITS: HeaderLimits = { characters: 8192, depth: 8, keys: 128, string: 2048 };

/** For what a server answers: a challenge may hold many offers and the schemas of its extensions. */
export const ANSWER_LIMITS: HeaderLimits = { characters: 65_536, depth: 16, keys: 2048, string: 8192 };

// Fails on bytes that are not UTF-8, and leaves a byte order mark in, which is no JSON.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const encodeHeader = (value: object): string => Buffer.from(JSON.stringify(value), 'utf8').toString('base64');

/**
 * Reads base64 of JSON: standard alphabet, padded, and canonical, so that no two texts stand for the same bytes. Messages
 * read after the name of the header ("… is not JSON") and never quote it.
 */
export function decodeHeader(text: string, limits: HeaderLimits): JsonReading {
  if (text.length > limits.characters) return { ok: false, message: `is longer than ${limits.characters} characters` };
  // Buffer skips what is not base64 and takes the URL-safe alphabet; encoding again exposes every liberty it took.
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== text) {
    return { ok: false, message: 'is not base64 in the standard alphabet with padding' };
  }
  let json: string;
  try {
    json = UTF8.decode(bytes);
  } catch {
    return { ok: false, message: 'is not UTF-8' };
  }
  return readJson(json, limits);
}
