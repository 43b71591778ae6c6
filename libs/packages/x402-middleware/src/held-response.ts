import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { WireReply } from './contract.js';
import { exposedHeaders, withoutFraming } from './reply-headers.js';

/**
 * What became of the answer that was held. `answered`: the handler ended it · `too_long`: it grew over the limit ·
 * `closed`: the connection closed before the handler was done · `failed`: the handler threw.
 */
export type HeldOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: OutgoingHttpHeaders;
      readonly body: Buffer;
    }
  | { readonly kind: 'too_long' | 'closed' | 'failed' };

/** What leaves: the handler's answer, as it is or with headers added because it was paid for; or another in its place. */
export type HeldVerdict =
  | { readonly kind: 'send'; readonly paidHeaders?: Readonly<Record<string, string>> }
  | { readonly kind: 'replace'; readonly reply: WireReply };

export interface HoldOptions {
  /** Most bytes of body that are held. */
  readonly limit: number;
  /** Headers that stay when the answer is replaced: those set before the paywall, by CORS for example. */
  readonly keep: OutgoingHttpHeaders;
  /** Called once. Must not reject. */
  readonly settle: (outcome: HeldOutcome) => Promise<HeldVerdict>;
}

/**
 * Holds whatever is written to a response until it is settled. It takes the place of the response's own methods, so it holds
 * for every way to answer: express's send and sendFile, fastify's reply, a pipe. To the handler the response looks as if it
 * had been sent.
 */
export class HeldResponse {
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #begun = false;
  #ended = false;
  #settled = false;
  #passing = false;
  readonly #end: End;

  constructor(
    private readonly res: ServerResponse,
    private readonly options: HoldOptions,
  ) {
    const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse;
    const end = res.end.bind(res);
    this.#end = (body) => void end(body, 'latin1');
    const replace = (name: string, value: unknown): void =>
      void Object.defineProperty(res, name, { value, configurable: true, writable: true });
    // While the answer is let go, Node itself comes by here for the head.
    replace('writeHead', (...args: unknown[]) => (this.#passing ? writeHead(...args) : this.#writeHead(args)));
    replace('flushHeaders', () => this.#begin());
    replace('write', (...args: unknown[]) => this.#write(args));
    replace('end', (...args: unknown[]) => this.#endHeld(args));
    Object.defineProperty(res, 'headersSent', { get: () => this.#begun, configurable: true });
    Object.defineProperty(res, 'writableEnded', { get: () => this.#ended, configurable: true });
    res.once('close', () => void this.#settle({ kind: 'closed' }));
  }

  /** The handler threw: nothing it wrote leaves. */
  async fail(): Promise<void> {
    await this.#settle({ kind: 'failed' });
  }

  #writeHead([status, ...rest]: unknown[]): ServerResponse {
    if (typeof status === 'number') this.res.statusCode = status;
    if (typeof rest[0] === 'string') this.res.statusMessage = rest[0];
    for (const [name, value] of headPairs(rest.find((part) => typeof part === 'object' && part !== null)))
      this.res.setHeader(name, value);
    this.#begun = true;
    return this.res;
  }

  /** As Node does before the first byte, so that those who wait for the head (compression, sessions) see it. */
  #begin(): void {
    if (!this.#begun) this.res.writeHead(this.res.statusCode);
    this.#begun = true;
  }

  #write(args: unknown[]): boolean {
    const callback = args.find((arg) => typeof arg === 'function');
    if (callback !== undefined) process.nextTick(callback);
    if (this.#ended || this.#settled) return true;
    this.#begin();
    this.#append(args);
    return true;
  }

  #endHeld(args: unknown[]): ServerResponse {
    const callback = args.find((arg) => typeof arg === 'function');
    if (callback !== undefined) this.res.once('finish', callback as () => void);
    if (this.#ended || this.#settled) return this.res;
    this.#begin();
    this.#append(args);
    this.#ended = true;
    void this.#settle({
      kind: 'answered',
      status: this.res.statusCode,
      headers: this.res.getHeaders(),
      body: Buffer.concat(this.#chunks),
    });
    return this.res;
  }

  #append([chunk, encoding]: unknown[]): void {
    const bytes = bytesOf(chunk, encoding);
    this.#length += bytes.byteLength;
    if (this.#length <= this.options.limit) return void this.#chunks.push(bytes);
    void this.#settle({ kind: 'too_long' });
  }

  async #settle(outcome: HeldOutcome): Promise<void> {
    if (this.#settled) return;
    this.#settled = true;
    const verdict = await this.options.settle(outcome);
    Reflect.deleteProperty(this.res, 'headersSent');
    Reflect.deleteProperty(this.res, 'writableEnded');
    this.#passing = true;
    if (outcome.kind === 'closed' || this.res.destroyed) return;
    try {
      if (verdict.kind === 'replace') writeReply(this.res, verdict.reply, this.options.keep, this.#end);
      else if (outcome.kind === 'answered') this.#send(outcome.body, verdict.paidHeaders);
      else this.res.destroy();
    } catch {
      this.res.destroy(); // A head that Node refuses to write.
    }
  }

  #send(body: Buffer, paidHeaders: Readonly<Record<string, string>> | undefined): void {
    if (paidHeaders !== undefined) {
      for (const [name, value] of Object.entries(withoutFraming(paidHeaders))) this.res.setHeader(name, value);
      this.res.setHeader('cache-control', 'private, no-store');
      exposePaymentHeaders(this.res);
    }
    this.#end(body);
  }
}

const EXPOSE = 'access-control-expose-headers';

/** Statuses that Node sends without a body, and so without its length. */
const BODILESS = new Set([204, 304]);

/** Ends a response. A string holds one byte a character: Node sends it in one piece with the head, a Buffer in two. */
type End = (body: Buffer | string) => void;

/** A reply as it is written out. */
interface Prepared {
  readonly headers: Readonly<Record<string, string>>;
  /** The whole head, for a response without headers of its own. */
  readonly head: OutgoingHttpHeaders;
  /** One byte a character. */
  readonly body: string;
}

/** Challenges are written many times: what of a reply is the same each time is made once. */
const prepared = new WeakMap<WireReply, Prepared>();

function prepare(reply: WireReply): Prepared {
  const known = prepared.get(reply);
  if (known !== undefined) return known;
  const headers = withoutFraming(lowerCased(reply.headers));
  const body = Buffer.from(reply.body, 'base64').toString('latin1');
  const head = { ...headers, [EXPOSE]: exposedHeaders(headers[EXPOSE]), 'content-length': body.length };
  const made = { headers, head, body };
  prepared.set(reply, made);
  return made;
}

/** Writes an answer as it is, in place of what was set since `keep` was taken. */
export function writeReply(
  res: ServerResponse,
  reply: WireReply,
  keep: OutgoingHttpHeaders = res.getHeaders(),
  end: End = (body) => void res.end(body, 'latin1'),
): void {
  const { headers, head, body } = prepare(reply);
  res.statusCode = reply.status;
  res.statusMessage = '';
  // Refused before it was read to its end: the rest is not waited for.
  if (reply.status === 413) res.shouldKeepAlive = false;
  const present = res.getHeaderNames();
  if (present.length === 0 && isEmpty(keep) && !BODILESS.has(reply.status)) {
    // Nothing to merge with: the head goes out as it is, which costs Node less than header by header.
    res.writeHead(reply.status, head);
  } else {
    for (const name of present) res.removeHeader(name);
    for (const [name, value] of Object.entries({ ...keep, ...headers }))
      if (value !== undefined) res.setHeader(name, value);
    exposePaymentHeaders(res);
  }
  end(body);
}

function isEmpty(headers: OutgoingHttpHeaders): boolean {
  for (const name in headers) if (headers[name] !== undefined) return false;
  return true;
}

function exposePaymentHeaders(res: ServerResponse): void {
  res.setHeader(EXPOSE, exposedHeaders(res.getHeader(EXPOSE)));
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** The forms in which writeHead takes headers: an object, a flat list, a list of pairs. */
function headPairs(headers: unknown): [string, string | number | string[]][] {
  if (headers === undefined) return [];
  const entries: unknown[] = Array.isArray(headers) ? pairsOf(headers) : Object.entries(headers as object);
  return (entries as [string, string | number | string[] | undefined][]).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
}

function pairsOf(list: unknown[]): unknown[] {
  if (list.every(Array.isArray)) return list;
  return list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1]]] : []));
}

function bytesOf(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as 'utf8') : 'utf8');
  if (chunk instanceof Uint8Array) return Buffer.from(chunk); // A copy: the handler may reuse its memory.
  return Buffer.alloc(0);
}
