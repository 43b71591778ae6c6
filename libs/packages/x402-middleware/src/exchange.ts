import { type HeaderReader, isIdempotencyKey, proofOf } from './agent-proof.js';
import { browserReply, isBrowser } from './browser-page.js';
import type { CheckRequest, WireReply } from './contract.js';
import { PaywallError } from './errors.js';
import type { PriceOptions } from './options.js';
import type { Admission, Paywall } from './paywall.js';
import { isPlainDecimal, isZero, smaller } from './plain-decimal.js';
import { PricedCall } from './priced-call.js';
import { handlerFailed, problem } from './problem.js';
import { keptHeaders, type OutgoingHeaders } from './reply-headers.js';
import { StreamedCall } from './streamed-call.js';

/** `known`: lower-case hex SHA-256, absent when there is no body · `consumed`: someone read it and kept no bytes. */
export type BodyReading =
  | { readonly kind: 'known'; readonly digest?: string }
  | { readonly kind: 'too_long' }
  | { readonly kind: 'consumed' }
  | { readonly kind: 'gone' };

/** A request at a priced route. `Own` is what the functions of the price are given. */
export interface Arrival<Own> {
  readonly own: Own;
  readonly method: string;
  readonly header: HeaderReader;
  /** The URL as the agent sees it; absent when the request names none. */
  url(publicUrl: string | undefined): string | undefined;
  readBody(limit: number): Promise<BodyReading>;
  /** Whether the agent hung up. */
  isGone(): boolean;
}

/** `gone`: the agent hung up, there is nobody to answer. */
export type Asked =
  | { readonly kind: 'serve'; readonly call: PricedCall }
  | { readonly kind: 'answer'; readonly reply: WireReply }
  | { readonly kind: 'gone' };

const answer = (reply: WireReply): Asked => ({ kind: 'answer', reply });

/** From a request to the gate's decision about it. Never rejects. */
export async function ask<Own>(paywall: Paywall, arrival: Arrival<Own>, price: PriceOptions<Own>): Promise<Asked> {
  try {
    const { settings } = paywall;
    const url = arrival.url(settings.publicUrl);
    if (url === undefined)
      return answer(problem(400, 'Bad Request', 'The Host header or the path is not part of a URL.'));
    const key = settings.agents ? arrival.header('idempotency-key') : undefined;
    if (key !== undefined && !isIdempotencyKey(key)) return answer(badIdempotencyKey());

    const body = await arrival.readBody(settings.maxRequestBytes);
    if (body.kind === 'gone') return { kind: 'gone' };
    if (body.kind === 'too_long') return answer(tooLong(settings.maxRequestBytes));
    if (body.kind === 'consumed') throw new PaywallError(CONSUMED);

    const terms = await termsOf(price, arrival.own);
    const admission = await paywall.admit({
      ...checkRequest(arrival, url, price, settings.agents),
      ...(body.digest !== undefined && { bodyDigest: body.digest }),
      ...(terms.quantity !== undefined && { quantity: terms.quantity }),
    });
    if (admission.kind === 'answer') {
      if (settings.browserPage && isBrowser(arrival)) return answer(browserReply(admission.reply, url));
      return admission;
    }
    if (arrival.isGone()) {
      await paywall.void(admission.payment, VOID_REASONS.closed);
      return { kind: 'gone' };
    }
    return { kind: 'serve', call: callOf(paywall, admission, price, terms, arrival.own) };
  } catch (error) {
    return answer(failure(paywall, error));
  }
}

/**
 * What became of the answer that was held. `answered`: the handler ended it · `too_long`: it grew over the limit ·
 * `closed`: the connection closed before the handler was done · `failed`: the handler threw.
 */
export type HeldOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: OutgoingHeaders;
      /** The body in base64. */
      readonly base64: () => string;
    }
  | { readonly kind: 'too_long' | 'closed' | 'failed' };

/** What leaves: the handler's answer, as it is or with headers added because it was paid for; or another in its place. */
export type HeldVerdict =
  | { readonly kind: 'send'; readonly paidHeaders?: Readonly<Record<string, string>> }
  | { readonly kind: 'replace'; readonly reply: WireReply };

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
    await paywall.void(call.payment, answeredWith(outcome.status));
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
  const { status, headers, base64 } = outcome;
  const release = await paywall.capture(
    call.payment,
    { status, headers: keptHeaders(headers), body: base64() },
    call.measured,
  );
  if (release.kind === 'release') return { kind: 'send', paidHeaders: release.headers };
  return { kind: 'replace', reply: release.reply };
}

export const answeredWith = (status: number): string => `The handler answered ${status}.`;

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

const badIdempotencyKey = (): WireReply =>
  problem(400, 'Bad Request', 'Idempotency-Key has 1 to 128 printable characters without spaces.');

const replyTooLong = (): WireReply =>
  problem(
    500,
    'Internal Server Error',
    'The answer is longer than can be held until it is paid for. It was not charged.',
  );

interface Terms {
  readonly quantity: string | undefined;
  readonly stream?: { readonly every: string; readonly upTo?: string | undefined };
}

/** How much is asked for, and how a stream goes on from there. */
async function termsOf<Own>({ meter, quantity, stream }: PriceOptions<Own>, own: Own): Promise<Terms> {
  const evaluate = async (of: typeof quantity): Promise<string | undefined> => {
    const value = typeof of === 'function' ? await of(own) : of;
    if (value === undefined || isPlainDecimal(value)) return value;
    throw new PaywallError(`The quantity of meter ${meter} is not a plain decimal: ${String(value)}`);
  };
  const asked = await evaluate(quantity);
  if (stream === undefined) return { quantity: asked };
  const parts = stream === true ? {} : stream;
  const upTo = await evaluate(parts.upTo);
  const first = asked ?? parts.every;
  const every = parts.every ?? (first === undefined || isZero(first) ? '1' : first);
  return {
    quantity: upTo === undefined ? first : smaller(upTo, first ?? '1'),
    stream: { every, upTo },
  };
}

function callOf<Own>(
  paywall: Paywall,
  { payment, captureWithinSeconds }: Extract<Admission, { kind: 'serve' }>,
  price: PriceOptions<Own>,
  { quantity = '1', stream }: Terms,
  own: Own,
): PricedCall {
  if (stream === undefined) return new PricedCall(payment, quantity);
  const terms = { quantity, captureWithinSeconds, ...stream };
  return new StreamedCall(paywall, payment, terms, () => price.measured?.(own));
}

function checkRequest(
  { method, header }: Pick<Arrival<never>, 'method' | 'header'>,
  url: string,
  { meter, description, mimeType }: Pick<PriceOptions<never>, 'meter' | 'description' | 'mimeType'>,
  tellsAgents: boolean,
): CheckRequest {
  const paymentSignature = header('payment-signature');
  const xPayment = header('x-payment');
  const proof = tellsAgents ? proofOf(header) : undefined;
  const idempotencyKey = tellsAgents ? header('idempotency-key') : undefined;
  return {
    method: method.toUpperCase(),
    url,
    meter,
    ...(description !== undefined && { description }),
    ...(mimeType !== undefined && { mimeType }),
    ...(paymentSignature !== undefined && { paymentSignature }),
    ...(xPayment !== undefined && { xPayment }),
    ...(proof !== undefined && { proof }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
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
