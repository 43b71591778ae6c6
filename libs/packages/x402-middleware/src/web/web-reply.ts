import { decodeBase64 } from '../base64.js';
import type { WireReply } from '../contract.js';
import { EXPOSE, exposedHeaders, withoutFraming } from '../reply-headers.js';

/** Statuses of which a Response refuses to have a body. */
const BODILESS = new Set([101, 103, 204, 205, 304]);

export const bodyFor = <Body>(status: number, body: Body): Body | null => (BODILESS.has(status) ? null : body);

/** An answer as it is, beside the headers that stay. */
export function toResponse(reply: WireReply, keep: Headers = new Headers()): Response {
  const headers = new Headers(keep);
  for (const [name, value] of Object.entries(withoutFraming(reply.headers))) headers.set(name, value);
  headers.set(EXPOSE, exposedHeaders(headers.get(EXPOSE)));
  return new Response(bodyFor(reply.status, decodeBase64(reply.body)), { status: reply.status, headers });
}
