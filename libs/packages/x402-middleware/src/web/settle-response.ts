import { encodeBase64 } from '../base64.js';
import { answeredWith, type HeldOutcome, settle } from '../exchange.js';
import type { Paywall } from '../paywall.js';
import type { PricedCall } from '../priced-call.js';
import { handlerFailed } from '../problem.js';
import { EXPOSE, exposedHeaders, withoutFraming } from '../reply-headers.js';
import { StreamedCall } from '../streamed-call.js';
import { streamResponse } from './stream-response.js';
import { readAtMost } from './web-arrival.js';
import { bodyFor, toResponse } from './web-reply.js';

/** What a handler answers to, and how. */
export interface Serving {
  readonly paywall: Paywall;
  readonly call: PricedCall;
  /** Aborted when the agent hangs up. */
  readonly signal: AbortSignal;
  readonly measured: () => string | undefined;
  /** Headers that stay when the answer is replaced. */
  readonly keep?: Headers;
}

/** What may leave of a handler's answer: it when it is paid for, or another in its place. Never rejects. */
export async function settleResponse(serving: Serving, response: Response): Promise<Response> {
  const { paywall, call, signal, measured, keep } = serving;
  if (response.status >= 400 || response.status < 200) return letGo(serving, response, answeredWith(response.status));
  if (call instanceof StreamedCall) return streamResponse(response, call, signal);
  const { outcome, bytes } = await hold(serving, response);
  const verdict = await settle(paywall, call, measured, outcome);
  if (verdict.kind === 'replace') return toResponse(verdict.reply, keep);
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(withoutFraming(verdict.paidHeaders ?? {}))) headers.set(name, value);
  headers.set('cache-control', 'private, no-store');
  headers.set(EXPOSE, exposedHeaders(headers.get(EXPOSE)));
  const { status, statusText } = response;
  return new Response(bodyFor(status, bytes), { status, statusText, headers });
}

/** The handler threw, or the agent hung up before it answered. */
export async function abandon(serving: Serving, kind: 'failed' | 'closed'): Promise<Response> {
  const { paywall, call, measured, keep } = serving;
  if (call instanceof StreamedCall) await call.finish(kind);
  else await settle(paywall, call, measured, { kind });
  return toResponse(handlerFailed(), keep);
}

/** What `work` gives, or nothing as soon as the agent hangs up. */
export function unlessGone<Value>(signal: AbortSignal, work: Promise<Value>): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    const hangUp = (): void => resolve(undefined);
    if (signal.aborted) hangUp();
    signal.addEventListener('abort', hangUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', hangUp));
  });
}

/** An error, or a response that is none (an upgrade, `Response.error()`), leaves unpaid. */
export async function letGo({ paywall, call }: Serving, response: Response, reason: string): Promise<Response> {
  if (call instanceof StreamedCall) call.refuse(reason);
  else await paywall.void(call.payment, reason);
  return response;
}

async function hold(
  { paywall, signal }: Serving,
  response: Response,
): Promise<{ readonly outcome: HeldOutcome; readonly bytes: Uint8Array<ArrayBuffer> }> {
  const nothing = new Uint8Array();
  try {
    const reading = readAtMost(response.body, paywall.settings.maxReplyBytes).then((bytes) => ({ bytes }));
    const read = await unlessGone(signal, reading);
    if (read === undefined) return { outcome: { kind: 'closed' }, bytes: nothing };
    const { bytes } = read;
    if (bytes === undefined) return { outcome: { kind: 'too_long' }, bytes: nothing };
    const headers = Object.fromEntries(response.headers);
    const base64 = (): string => encodeBase64(bytes);
    return { outcome: { kind: 'answered', status: response.status, headers, base64 }, bytes };
  } catch (error) {
    paywall.report(error);
    return { outcome: { kind: 'failed' }, bytes: nothing };
  }
}
