import type { Instant } from '@core/time';
import { z } from 'zod';

/** Path at which an agent's host publishes its signing keys. */
export const DIRECTORY_PATH = '/.well-known/http-message-signatures-directory';

/** A signing key: `x` is its 32 bytes in base64url. */
export interface PublishedKey {
  readonly x: string;
  /** Instants between which it may be used; absent: always. */
  readonly notBefore: Instant | undefined;
  readonly notAfter: Instant | undefined;
}

export type DirectoryAnswer =
  /** Keys by their thumbprint (RFC 7638). */
  | { readonly outcome: 'keys'; readonly keys: ReadonlyMap<string, PublishedKey> }
  /** The host is not one that may be asked, does not answer, or answers something else. */
  | { readonly outcome: 'unavailable'; readonly why: string };

/** The keys that a host publishes for its agents. */
export abstract class KeyDirectory {
  /** `host` as `agentHostOf` gives it. Never throws for what the host does. */
  abstract keysOf(host: string): Promise<DirectoryAnswer>;
}

const MOST_KEYS = 64;

/** Keys of other kinds are left out rather than refused: a directory may serve more than us. */
const documentSchema = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(MOST_KEYS) });

const keySchema = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  // 32 bytes: 43 characters, the last of which carries four bits.
  x: z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/),
  use: z.literal('sig').optional(),
  nbf: z.number().optional(),
  exp: z.number().optional(),
});

/** The ed25519 keys of a directory document; undefined when it is none. */
export function readDirectory(document: unknown): PublishedKey[] | undefined {
  const parsed = documentSchema.safeParse(document);
  if (!parsed.success) return undefined;
  return parsed.data.keys.flatMap((entry) => {
    const key = keySchema.safeParse(entry);
    if (!key.success) return [];
    return [{ x: key.data.x, notBefore: instantOf(key.data.nbf), notAfter: instantOf(key.data.exp) }];
  });
}

/** Directories write seconds, and some milliseconds: no second this side of the year 5000 has twelve digits. */
function instantOf(value: number | undefined): Instant | undefined {
  if (value === undefined) return undefined;
  const ms = value < 1e11 ? value * 1000 : value;
  const whole = Math.round(ms);
  return isInstant(whole) ? whole : undefined;
}

const isInstant = (ms: number): ms is Instant => Number.isSafeInteger(ms);

/** Whether a published key may be used now. */
export const keyHolds = ({ notBefore, notAfter }: PublishedKey, now: Instant): boolean =>
  (notBefore === undefined || notBefore <= now) && (notAfter === undefined || notAfter > now);
