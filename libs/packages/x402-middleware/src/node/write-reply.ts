import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { WireReply } from '../contract.js';
import { EXPOSE, exposedHeaders, withoutFraming } from '../reply-headers.js';

/** Statuses that Node sends without a body, and so without its length. */
const BODILESS = new Set([204, 304]);

/** Ends a response. A string holds one byte a character: Node sends it in one piece with the head, a Buffer in two. */
export type End = (body: Buffer | string) => void;

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

export function exposePaymentHeaders(res: ServerResponse): void {
  res.setHeader(EXPOSE, exposedHeaders(res.getHeader(EXPOSE)));
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
