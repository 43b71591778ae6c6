import { epochSeconds, type Instant } from '@core/time';

// Standard Webhooks 1.0: what is signed, how a secret is written, and the headers of a message.

/** A secret as a receiver keeps it: its bytes in base64 behind this. */
export const SECRET_PREFIX = 'whsec_';

/** A rotated secret stays good for so long. */
export const OLD_SECRET_MS = 24 * 3_600_000;

/** The text whose HMAC-SHA-256 is the signature. `at`: of the attempt, so that a receiver can refuse what is old. */
export const signedText = (id: string, at: Instant, body: string): string => `${id}.${epochSeconds(at)}.${body}`;

/** `signatures`: base64, one for each live secret. */
export const messageHeaders = (
  id: string,
  at: Instant,
  signatures: readonly string[],
): Readonly<Record<string, string>> => ({
  'content-type': 'application/json',
  'user-agent': 'Farebox-Webhooks/1',
  'webhook-id': id,
  'webhook-timestamp': String(epochSeconds(at)),
  'webhook-signature': signatures.map((signature) => `v1,${signature}`).join(' '),
});
