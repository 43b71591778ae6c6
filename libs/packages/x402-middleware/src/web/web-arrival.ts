import type { Arrival, BodyReading } from '../exchange.js';

/** A request of the web's own kind. `own` is what the functions of the price are given. */
export class WebArrival<Own> implements Arrival<Own> {
  constructor(
    private readonly request: Request,
    readonly own: Own,
  ) {}

  get method(): string {
    return this.request.method;
  }

  readonly header = (name: string): string | undefined => this.request.headers.get(name) ?? undefined;

  url(publicUrl: string | undefined): string | undefined {
    const { url } = this.request;
    if (!URL.canParse(url)) return undefined;
    const { origin, pathname, search } = new URL(url);
    return `${publicUrl ?? origin}${pathname}${search}`;
  }

  /** Reads a copy, so that the handler finds its request untouched. */
  async readBody(limit: number): Promise<BodyReading> {
    const { request } = this;
    if (Number(this.header('content-length') ?? 0) > limit) return { kind: 'too_long' };
    if (request.bodyUsed) return { kind: 'consumed' };
    if (request.body === null) return { kind: 'known' };
    try {
      const bytes = await readAtMost(request.clone().body, limit);
      if (bytes === undefined) return { kind: 'too_long' };
      return bytes.length === 0 ? { kind: 'known' } : { kind: 'known', digest: await sha256(bytes) };
    } catch (error) {
      if (this.isGone()) return { kind: 'gone' };
      throw error;
    }
  }

  isGone(): boolean {
    return this.request.signal.aborted;
  }
}

/** All bytes of a body; nothing when there are more than `limit`, and then the rest is not read. */
export async function readAtMost(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (body !== null) {
    const reader = body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      length += next.value.byteLength;
      if (length > limit) {
        void reader.cancel().catch(() => undefined);
        return undefined;
      }
      chunks.push(next.value);
    }
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** Lower-case hex. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
