import type { IncomingMessage } from 'node:http';
import type { CheckRequest, WireReply } from './contract.js';
import { PaywallError } from './errors.js';
import type { HeldOutcome, HeldVerdict } from './held-response.js';
import type { PriceOptions } from './options.js';
import type { Paywall } from './paywall.js';
import { isPlainDecimal, PricedCall } from './priced-call.js';
import { handlerFailed, problem } from './problem.js';
import { keptHeaders } from './reply-headers.js';
import { readBody } from './request-body.js';

/** A request at a priced route, as the framework hands it over. */
export interface Arrival<Req> {
  /** Node's request. */
  readonly message: IncomingMessage;
  /** The framework's request, which the functions of the price are given. */
  readonly request: Req;
  /** Path and query as they arrived. */
  readonly target: string;
  /** Where the framework may have kept the bytes of the body. */
  readonly kept: readonly unknown[];
}

/** `gone`: the agent hung up, there is nobody to answer. */
export type Asked =
  | { readonly kind: 'serve'; readonly call: PricedCall }
  | { readonly kind: 'answer'; readonly reply: WireReply }
  | { readonly kind: 'gone' };

const answer = (reply: WireReply): Asked => ({ kind: 'answer', reply });

/** From a request to the gate's decision about it. Never rejects. */
export async function ask<Req>(paywall: Paywall, arrival: Arrival<Req>, price: PriceOptions<Req>): Promise<Asked> {
  try {
    const { message } = arrival;
    const url = absoluteUrl(message, arrival.target, paywall.settings.publicUrl);
    if (url === undefined)
      return answer(problem(400, 'Bad Request', 'The Host header or the path is not part of a URL.'));

    const body = await readBody(message, arrival.kept, paywall.settings.maxRequestBytes);
    if (body.kind === 'gone') return { kind: 'gone' };
    if (body.kind === 'too_long') return answer(tooLong(paywall.settings.maxRequestBytes));
    if (body.kind === 'consumed') throw new PaywallError(CONSUMED);

    const quantity = typeof price.quantity === 'function' ? await price.quantity(arrival.request) : price.quantity;
    if (quantity !== undefined && !isPlainDecimal(quantity))
      throw new PaywallError(`The quantity of meter ${price.meter} is not a plain decimal: ${String(quantity)}`);

    const admission = await paywall.admit({
      ...checkRequest(message, url, price, body.digest),
      ...(quantity !== undefined && { quantity }),
    });
    if (admission.kind === 'answer') return admission;
    if (message.socket.destroyed) {
      await paywall.void(admission.payment, VOID_REASONS.closed);
      return { kind: 'gone' };
    }
    return { kind: 'serve', call: new PricedCall(admission.payment, quantity ?? '1') };
  } catch (error) {
    return answer(failure(paywall, error));
  }
}

/** From what the handler answered to what leaves, charged or not. Never rejects. */
export async function settle(
  paywall: Paywall,
  call: PricedCall,
  measured: () => string | undefined,
  outcome: HeldOutcome,
): Promise<HeldVerdict> {
  if (outcome.kind !== 'answered') {
    await paywall.void(call.payment, VOID_REASONS[outcome.kind]);
    return { kind: 'replace', reply: outcome.kind === 'too_long' ? replyTooLong() : handlerFailed() };
  }
  if (outcome.status >= 400) {
    await paywall.void(call.payment, `The handler answered ${outcome.status}.`);
    return { kind: 'send' };
  }
  try {
    const quantity = measured();
    if (quantity !== undefined) call.measure(quantity);
  } catch (error) {
    paywall.report(error);
    await paywall.void(call.payment, 'What was used could not be measured.');
    return { kind: 'replace', reply: handlerFailed() };
  }
  const { status, headers, body } = outcome;
  const reply = { status, headers: keptHeaders(headers), body: body.toString('base64') };
  const release = await paywall.capture(call.payment, reply, call.measured);
  if (release.kind === 'release') return { kind: 'send', paidHeaders: release.headers };
  return { kind: 'replace', reply: release.reply };
}

const CONSUMED =
  'The request body was parsed before the paywall and its bytes were not kept, so the payment cannot be bound to it. ' +
  'Put the paywall before the body parser, or keep the bytes in req.rawBody (Nest: NestFactory.create(…, { rawBody: true })).';

const VOID_REASONS = {
  too_long: 'The answer was longer than the paywall holds.',
  closed: 'The connection closed before the answer was complete.',
  failed: 'The handler failed.',
};

const tooLong = (limit: number): WireReply =>
  problem(413, 'Content Too Large', `This server takes at most ${limit} bytes.`);

const replyTooLong = (): WireReply =>
  problem(
    500,
    'Internal Server Error',
    'The answer is longer than can be held until it is paid for. It was not charged.',
  );

function checkRequest(
  { method = 'GET', headers }: IncomingMessage,
  url: string,
  { meter, description, mimeType }: Pick<PriceOptions<never>, 'meter' | 'description' | 'mimeType'>,
  bodyDigest: string | undefined,
): CheckRequest {
  const paymentSignature = headers['payment-signature']?.toString();
  const xPayment = headers['x-payment']?.toString();
  return {
    method: method.toUpperCase(),
    url,
    meter,
    ...(bodyDigest !== undefined && { bodyDigest }),
    ...(description !== undefined && { description }),
    ...(mimeType !== undefined && { mimeType }),
    ...(paymentSignature !== undefined && { paymentSignature }),
    ...(xPayment !== undefined && { xPayment }),
  };
}

/** The URL as the agent sees it. Requests to a proxy carry a whole URL as target: only its path is ours. */
function absoluteUrl(message: IncomingMessage, target: string, publicUrl: string | undefined): string | undefined {
  const path = target.startsWith('/') ? target : pathOf(target);
  if (publicUrl !== undefined) return path === undefined ? undefined : publicUrl + path;
  const scheme = 'encrypted' in message.socket && message.socket.encrypted === true ? 'https' : 'http';
  const host = message.headers.host ?? '';
  const isHost = /^(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/.test(host);
  const url = `${scheme}://${host}${path}`;
  return isHost && path !== undefined && URL.canParse(url) ? url : undefined;
}

function pathOf(target: string): string | undefined {
  if (!URL.canParse(target)) return undefined;
  const { pathname, search } = new URL(target);
  return pathname + search;
}

/** The price's own functions may refuse a request: an error with a status from 400 to 499 is told to the agent. */
function failure(paywall: Paywall, error: unknown): WireReply {
  const status = statusOf(error);
  if (status !== undefined && error instanceof Error) return problem(status, 'Request refused', error.message);
  paywall.report(error);
  return problem(500, 'Internal Server Error', 'This request could not be priced. Nothing was served or charged.');
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const own: unknown = 'status' in error ? error.status : 'statusCode' in error ? error.statusCode : undefined;
  return typeof own === 'number' && Number.isInteger(own) && own >= 400 && own < 500 ? own : undefined;
}
