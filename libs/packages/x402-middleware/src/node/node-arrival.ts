import type { IncomingMessage } from 'node:http';
import type { Arrival, BodyReading } from '../exchange.js';
import { readBody } from './request-body.js';

/** A request that Node received. */
export class NodeArrival<Own> implements Arrival<Own> {
  constructor(
    private readonly message: IncomingMessage,
    /** The framework's request. */
    readonly own: Own,
    /** Path and query as they arrived. */
    private readonly target: string,
    /** Where the framework may have kept the bytes of the body. */
    private readonly kept: readonly unknown[],
  ) {}

  get method(): string {
    return this.message.method ?? 'GET';
  }

  readonly header = (name: string): string | undefined => this.message.headers[name]?.toString();

  /** Requests to a proxy carry a whole URL as target: only its path is ours. */
  url(publicUrl: string | undefined): string | undefined {
    const path = this.target.startsWith('/') ? this.target : pathOf(this.target);
    if (publicUrl !== undefined) return path === undefined ? undefined : publicUrl + path;
    const { socket, headers } = this.message;
    const scheme = 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http';
    const host = headers.host ?? '';
    const isHost = /^(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/.test(host);
    const url = `${scheme}://${host}${path}`;
    return isHost && path !== undefined && URL.canParse(url) ? url : undefined;
  }

  readBody(limit: number): Promise<BodyReading> {
    return readBody(this.message, this.kept, limit);
  }

  isGone(): boolean {
    return this.message.socket.destroyed;
  }
}

function pathOf(target: string): string | undefined {
  if (!URL.canParse(target)) return undefined;
  const { pathname, search } = new URL(target);
  return pathname + search;
}
