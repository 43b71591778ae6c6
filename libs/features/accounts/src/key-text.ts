import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { ID_PREFIXES } from '@core/ids';

/** Said in a key for people and for secret scanners; it grants nothing by itself. */
export type KeyEnvironment = 'live' | 'test';

interface PresentedKey {
  /** `key_…` */
  readonly id: string;
  readonly environment: KeyEnvironment;
  readonly text: string;
}

/** `fbx_<environment>_<id without its prefix>_<secret>`; the secret is 32 random bytes in base64url. */
const FORM = /^fbx_(live|test)_([0-9a-f]{32})_[A-Za-z0-9_-]{43}$/;

export function parseKey(text: string): PresentedKey | undefined {
  const match = FORM.exec(text);
  const id = match?.[2];
  if (!match || id === undefined) return undefined;
  return { id: `${ID_PREFIXES.key}_${id}`, environment: match[1] === 'live' ? 'live' : 'test', text };
}

/** Writes down a new key with a fresh secret. */
export const newKeyText = (id: string, environment: KeyEnvironment): string =>
  `fbx_${environment}_${id.slice(ID_PREFIXES.key.length + 1)}_${randomBytes(32).toString('base64url')}`;

/** What is kept of a key: HMAC-SHA-256 of all of it under the pepper, which is not in the database. */
export const keyHash = (text: string, pepper: string): Buffer => createHmac('sha256', pepper).update(text).digest();

/** Compares in a time that does not depend on where two hashes differ. */
export const sameHash = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);
