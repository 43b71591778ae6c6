import { DIRECTORY_PATH, type DirectoryAnswer, KeyDirectory, type PublishedKey, readDirectory } from '@core/agents';
import type { Clock } from '@core/time';
import { calculateJwkThumbprint } from 'jose';
import type { Outbound, OutboundDocument } from './outbound.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** How long a host that gave no directory is not asked again. */
const FAILED_MS = 10_000;

/** Most hosts remembered; the one remembered longest gives way. */
const REMEMBERED = 10_000;

interface Remembered {
  readonly answer: Promise<DirectoryAnswer>;
  /** Infinity while it is being fetched. */
  until: number;
}

/**
 * Signing keys from the hosts of agents. One fetch per host is under way at a time; what it gave is believed for as long as the
 * host allows, at least a minute and at most an hour.
 */
export class WebKeyDirectory extends KeyDirectory {
  readonly #remembered = new Map<string, Remembered>();

  constructor(
    private readonly outbound: Outbound,
    private readonly clock: Clock,
  ) {
    super();
  }

  override keysOf(host: string): Promise<DirectoryAnswer> {
    const known = this.#remembered.get(host);
    if (known && known.until > this.clock.now()) return known.answer;
    const fetched = this.#fetch(host);
    const entry: Remembered = { answer: fetched.then(({ answer }) => answer), until: Infinity };
    this.#remember(host, entry);
    void fetched.then(({ believedMs }) => {
      entry.until = this.clock.now() + believedMs;
    });
    return entry.answer;
  }

  async #fetch(host: string): Promise<{ answer: DirectoryAnswer; believedMs: number }> {
    const protocol = /^(?:localhost|127\.0\.0\.1)(?::|$)/.test(host) ? 'http' : 'https';
    const answer = await this.outbound.get(`${protocol}://${host}${DIRECTORY_PATH}`, {
      accept: 'application/http-message-signatures-directory+json, application/json;q=0.9',
    });
    if (answer.outcome !== 'answered') return unavailable(answer.why);
    const keys = await keysIn(answer.document);
    return typeof keys === 'string'
      ? unavailable(keys)
      : { answer: { outcome: 'keys', keys }, believedMs: believedMs(answer.document.headers) };
  }

  #remember(host: string, entry: Remembered): void {
    this.#remembered.delete(host);
    this.#remembered.set(host, entry);
    const oldest = this.#remembered.keys().next();
    if (this.#remembered.size > REMEMBERED && !oldest.done) this.#remembered.delete(oldest.value);
  }
}

const unavailable = (why: string) => ({
  answer: { outcome: 'unavailable', why } as const,
  believedMs: FAILED_MS,
});

async function keysIn({ status, body }: OutboundDocument): Promise<Map<string, PublishedKey> | string> {
  if (status !== 200) return `the host answers with status ${status}`;
  let document: unknown;
  try {
    document = JSON.parse(body.toString('utf8'));
  } catch {
    return 'the directory is not JSON';
  }
  const published = readDirectory(document);
  if (!published) return 'the directory is no set of keys';
  // Keys are found by what they are, whatever name the directory gives them.
  const thumbprints = await Promise.all(
    published.map(({ x }) => calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x }, 'sha256')),
  );
  return new Map(published.map((key, i) => [thumbprints[i] ?? '', key]));
}

/** How long an answer is believed, by its Cache-Control and Age. */
export function believedMs(headers: Readonly<Record<string, string>>): number {
  const control = (headers['cache-control'] ?? '').toLowerCase();
  const maxAge = /(?:^|[\s,])max-age="?(\d{1,10})/.exec(control)?.[1];
  const age = /^\d{1,10}$/.test(headers['age'] ?? '') ? Number(headers['age']) : 0;
  const forbidden = /(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])/.test(control);
  const allowed = forbidden || maxAge === undefined ? 0 : (Number(maxAge) - age) * 1000;
  return Math.min(HOUR_MS, Math.max(MINUTE_MS, allowed));
}
