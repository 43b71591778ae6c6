import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { WireReply } from '../contract.js';
import { answeredWith } from '../exchange.js';
import { handlerFailed } from '../problem.js';
import { EXPOSE, streamHeaders } from '../reply-headers.js';
import type { StreamedCall, StreamEnd, StreamSink } from '../streamed-call.js';
import { writeReply } from './write-reply.js';
import { bytesOf, headPairs } from './written.js';

type Callback = (error?: Error | null) => void;

/** Bytes that wait until `total` is covered. */
interface Piece {
  readonly bytes: Buffer;
  readonly total: string;
  readonly callback: Callback | undefined;
}

export interface StreamingOptions {
  /** Most bytes that wait: a handler that goes on although it was told to wait is ended. */
  readonly limit: number;
  /** Headers that stay when the answer is replaced. */
  readonly keep: OutgoingHttpHeaders;
}

/**
 * Lets an answer go while it is made. What belongs to a total that is not covered yet waits, and the handler is told to wait, as by
 * a slow connection. Nothing is kept of what went.
 */
export class StreamedResponse implements StreamSink {
  readonly #queue: Piece[] = [];
  #queued = 0;
  /** `selling`: until the handler is done · `free`: the head says that nothing is sold · `last word`: stopped · `over`. */
  #state: 'selling' | 'free' | 'last word' | 'over' = 'selling';
  #begun = false;
  #ended = false;
  #toldToWait = false;
  #lastWord = 0;
  readonly #writeHead: (...args: unknown[]) => ServerResponse;
  readonly #write: (...args: unknown[]) => boolean;
  readonly #end: () => unknown;

  constructor(
    private readonly res: ServerResponse,
    private readonly call: StreamedCall,
    private readonly options: StreamingOptions,
  ) {
    this.#writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse;
    this.#write = res.write.bind(res) as (...args: unknown[]) => boolean;
    this.#end = res.end.bind(res);
    const flushHeaders = res.flushHeaders.bind(res);
    const replace = (name: string, value: unknown): void =>
      void Object.defineProperty(res, name, { value, configurable: true, writable: true });
    replace('writeHead', (...args: unknown[]) => this.#begin(args));
    replace('flushHeaders', () => {
      if (!this.#begun) this.#begin([res.statusCode]);
      flushHeaders();
    });
    replace('write', (...args: unknown[]) => this.#receive(args));
    replace('end', (...args: unknown[]) => this.#receiveEnd(args));
    Object.defineProperty(res, 'writableEnded', { get: () => this.#ended, configurable: true });
    res.once('close', () => void this.#finish('closed'));
    call.attach(this);
  }

  /** The handler threw: what left is charged by what it said it used; what has not begun is replaced. */
  async fail(): Promise<void> {
    if (this.#ended) return;
    if (this.#state === 'last word') return this.cut();
    const hadBegun = this.#begun;
    await this.#finish('failed');
    if (this.res.destroyed) return;
    if (hadBegun) this.res.destroy();
    else this.#replaceBy(handlerFailed());
  }

  moved(): void {
    if (this.#state !== 'selling') return;
    for (let piece = this.#queue[0]; piece !== undefined && this.#mayGo(piece); piece = this.#queue[0]) {
      this.#queue.shift();
      this.#queued -= piece.bytes.byteLength;
      this.#send(piece.bytes, piece.callback);
    }
    if (this.#queue.length > 0) return;
    if (this.#ended) void this.#complete();
    else if (this.#toldToWait && !this.res.writableNeedDrain) {
      this.#toldToWait = false;
      this.res.emit('drain');
    }
  }

  /** Who waits for answers writes nothing that is not covered, though it may come late, through the buffers of a framework. */
  #mayGo({ total }: Piece): boolean {
    return !this.call.isUnheeded || this.call.isCovered(total);
  }

  stopped(): void {
    if (this.#state !== 'selling') return;
    this.#state = 'last word';
    for (const { callback } of this.#queue.splice(0)) callback?.();
    if (this.#ended) this.cut();
    else if (this.#toldToWait) this.res.emit('drain');
  }

  cut(): void {
    if (this.#state !== 'last word') return;
    this.#state = 'over';
    this.#ended = true;
    if (!this.#begun) this.#begin([this.res.statusCode]);
    void this.call.finish('closed').then(() => this.#end());
  }

  /** The first thing that leaves is the head; it says which payment this is. */
  #begin(args: unknown[]): ServerResponse {
    if (this.#begun) return this.#writeHead(...args);
    this.#begun = true;
    const { res, call } = this;
    const [status, ...rest] = args;
    if (typeof status === 'number') res.statusCode = status;
    for (const [name, value] of headPairs(rest.find((part) => typeof part === 'object' && part !== null)))
      res.setHeader(name, value);
    if (res.statusCode >= 400 && this.#state === 'selling') {
      this.#state = 'free';
      call.refuse(answeredWith(res.statusCode));
    } else if (this.#state !== 'free') {
      const headers = streamHeaders(call.payment, res.getHeader(EXPOSE));
      for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
    }
    const [message] = rest;
    return typeof message === 'string' ? this.#writeHead(res.statusCode, message) : this.#writeHead(res.statusCode);
  }

  #receive(args: unknown[]): boolean {
    const callback = args.find((arg): arg is Callback => typeof arg === 'function');
    if (this.#ended || this.#state === 'over') {
      if (callback !== undefined) process.nextTick(callback);
      return true;
    }
    if (!this.#begun) this.#begin([this.res.statusCode]);
    const bytes = bytesOf(args[0], args[1]);
    if (this.#state === 'selling' && (this.#queue.length > 0 || this.call.isUnheeded))
      return this.#queueUp({ bytes, total: this.call.said, callback });
    if (this.#state === 'last word' && (this.#lastWord += bytes.byteLength) > this.call.lastWordBytes) {
      this.cut();
      return true;
    }
    return this.#send(bytes, callback);
  }

  #queueUp(piece: Piece): boolean {
    this.#toldToWait = true;
    this.#queued += piece.bytes.byteLength;
    if (this.#queued <= this.options.limit) this.#queue.push(piece);
    else this.res.destroy();
    return false;
  }

  #send(bytes: Buffer, callback: Callback | undefined): boolean {
    if (this.#state === 'selling') this.call.carry();
    return callback === undefined ? this.#write(bytes) : this.#write(bytes, callback);
  }

  #receiveEnd(args: unknown[]): ServerResponse {
    const callback = args.find((arg): arg is () => void => typeof arg === 'function');
    if (callback !== undefined) this.res.once('finish', callback);
    if (this.#ended) return this.res;
    if (typeof args[0] !== 'function' && args[0] !== undefined && args[0] !== null) this.#receive(args.slice(0, 2));
    else if (!this.#begun) this.#begin([this.res.statusCode]);
    this.#ended = true;
    if (this.#queue.length === 0 || this.#state !== 'selling') void this.#complete();
    return this.res;
  }

  async #complete(): Promise<void> {
    if (this.#state !== 'free') await this.#finish('ended');
    if (!this.res.destroyed) this.#end();
  }

  async #finish(end: StreamEnd): Promise<void> {
    this.#state = this.#state === 'free' ? 'free' : 'over';
    await this.call.finish(end);
  }

  #replaceBy(reply: WireReply): void {
    this.#begun = true;
    this.#ended = true;
    writeReply(this.res, reply, this.options.keep, (body) => {
      this.#write(typeof body === 'string' ? Buffer.from(body, 'latin1') : body);
      this.#end();
    });
  }
}
