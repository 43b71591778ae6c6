import type { CheckRequest, WireReply } from './contract.js';

/** A challenge longer than this is not worth its memory. */
const LONGEST_REPLY = 16 * 1024;

/**
 * Challenges that the gate allows to be given again, to requests that bring no payment: an agent that only asks for the
 * price costs no round trip. Bounded; the longest unused goes first.
 */
export class ChallengeCache {
  readonly #entries = new Map<string, { readonly reply: WireReply; readonly until: number }>();

  /** `elapsed` is a monotonic clock in milliseconds. */
  constructor(
    private readonly capacity: number,
    private readonly elapsed: () => number,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): WireReply | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.until <= this.elapsed()) return undefined;
    this.#entries.set(key, entry); // Last in the order: the most recently used.
    return entry.reply;
  }

  /** `askedAt` is when the gate was asked: the answer is no younger than that. */
  set(key: string, reply: WireReply, seconds: number, askedAt: number): void {
    if (this.capacity === 0 || seconds <= 0 || lengthOf(reply) > LONGEST_REPLY) return;
    this.#entries.delete(key);
    this.#entries.set(key, { reply, until: askedAt + seconds * 1000 });
    if (this.#entries.size <= this.capacity) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}

/** A longer question, of a very long URL, is asked anew each time: its text is kept beside the challenge. */
const LONGEST_KEY = 4 * 1024;

/** What the gate would give the same challenge to. */
export function challengeKey(request: CheckRequest): string | undefined {
  const { method, url, bodyDigest, meter, quantity, description, mimeType } = request;
  const text = JSON.stringify(
    [method, url, bodyDigest, meter, quantity, description, mimeType].map((part) => part ?? 0),
  );
  return text.length <= LONGEST_KEY ? text : undefined;
}

function lengthOf({ headers, body }: WireReply): number {
  return Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, body.length);
}
