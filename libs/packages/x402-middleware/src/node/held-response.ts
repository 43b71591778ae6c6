import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { HeldOutcome, HeldVerdict } from '../exchange.js';
import { withoutFraming } from '../reply-headers.js';
import { bytesOf, headPairs } from './written.js';
import { type End, exposePaymentHeaders, writeReply } from './write-reply.js';

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
    const { statusCode: status } = this.res;
    const base64 = (): string => this.#body().toString('base64');
    void this.#settle({ kind: 'answered', status, headers: this.res.getHeaders(), base64 });
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
      else if (outcome.kind === 'answered') this.#send(verdict.paidHeaders);
      else this.res.destroy();
    } catch {
      this.res.destroy(); // A head that Node refuses to write.
    }
  }

  #send(paidHeaders: Readonly<Record<string, string>> | undefined): void {
    if (paidHeaders !== undefined) {
      for (const [name, value] of Object.entries(withoutFraming(paidHeaders))) this.res.setHeader(name, value);
      this.res.setHeader('cache-control', 'private, no-store');
      exposePaymentHeaders(this.res);
    }
    this.#end(this.#body());
  }

  #body(): Buffer {
    const [only] = this.#chunks;
    if (only !== undefined && this.#chunks.length === 1) return only;
    const whole = Buffer.concat(this.#chunks);
    this.#chunks.splice(0, this.#chunks.length, whole);
    return whole;
  }
}
