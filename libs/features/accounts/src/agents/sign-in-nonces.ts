import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { addMs, epochSeconds, instant, type Instant } from '@core/time';

/** A nonce may be signed for this long after it was given out; a proof lives shorter. */
const HOLDS_MS = 600_000;

/** Another process gave it, whose clock may be ahead. */
const SKEW_MS = 5_000;

const HEAD_BYTES = 8;

/**
 * Nonces for sign-ins, 32 hex digits: the second they were given out in, 4 random bytes, and 8 bytes by which we know our own.
 * So none is stored until it is used, and one that is too old to be remembered as used is too old to be taken.
 */
export class SignInNonces {
  constructor(private readonly secret: string) {}

  issue(provider: string, now: Instant): string {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(epochSeconds(now) % 2 ** 32);
    randomBytes(4).copy(head, 4);
    return Buffer.concat([head, this.#seal(provider, head)]).toString('hex');
  }

  /** When a nonce of ours that may still be signed stops to hold; undefined for any other text. */
  holdsUntil(provider: string, nonce: string, now: Instant): Instant | undefined {
    if (!/^[0-9a-f]{32}$/.test(nonce)) return undefined;
    const bytes = Buffer.from(nonce, 'hex');
    const head = bytes.subarray(0, HEAD_BYTES);
    if (!timingSafeEqual(bytes.subarray(HEAD_BYTES), this.#seal(provider, head))) return undefined;
    const issued = instant(head.readUInt32BE() * 1000);
    const until = addMs(issued, HOLDS_MS);
    return issued - now > SKEW_MS || until <= now ? undefined : until;
  }

  #seal(provider: string, head: Buffer): Buffer {
    return createHmac('sha256', this.secret)
      .update(`sign-in nonce of ${provider}: `)
      .update(head)
      .digest()
      .subarray(0, 16 - HEAD_BYTES);
  }
}
