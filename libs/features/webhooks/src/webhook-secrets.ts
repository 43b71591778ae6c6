import { createHmac } from 'node:crypto';
import { addMs, type Instant } from '@core/time';
import { messageHeaders, OLD_SECRET_MS, SECRET_PREFIX, signedText } from '@core/webhooks';

/** Which secrets an endpoint has: the newest, and until when the one before is good. */
export interface SecretState {
  readonly id: string;
  readonly generation: number;
  readonly rotatedAt: Instant | undefined;
}

/** When the secret before the newest ends; undefined when there is none, or it has. */
export function formerSecretEnds({ rotatedAt }: SecretState, now: Instant): Instant | undefined {
  const end = rotatedAt === undefined ? undefined : addMs(rotatedAt, OLD_SECRET_MS);
  return end !== undefined && now < end ? end : undefined;
}

/**
 * Secrets of endpoints. None is kept: each follows from the master key, which is not in the database, the endpoint and the
 * generation, so that a copy of the database signs nothing.
 */
export class WebhookSecrets {
  readonly #master: Buffer;

  /** `master`: at least 32 characters of random text. */
  constructor(master: string) {
    // A key of its own, whatever else the text is used for.
    this.#master = createHmac('sha256', master).update('farebox webhook secrets').digest();
  }

  /** As a receiver keeps it: `whsec_…`. */
  text(endpoint: string, generation: number): string {
    return SECRET_PREFIX + this.#bytes(endpoint, generation).toString('base64');
  }

  /** The headers of a message now, signed with every secret that is good. */
  headers(endpoint: SecretState, event: string, now: Instant, body: string): Readonly<Record<string, string>> {
    const generations =
      formerSecretEnds(endpoint, now) === undefined
        ? [endpoint.generation]
        : [endpoint.generation, endpoint.generation - 1];
    const text = signedText(event, now, body);
    return messageHeaders(
      event,
      now,
      generations.map((each) => createHmac('sha256', this.#bytes(endpoint.id, each)).update(text).digest('base64')),
    );
  }

  #bytes(endpoint: string, generation: number): Buffer {
    return createHmac('sha256', this.#master).update(`${endpoint} ${generation}`).digest();
  }
}
