import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ask } from './exchange.js';
import { hold } from './node/hold.js';
import { NodeArrival } from './node/node-arrival.js';
import { NodePaywall } from './node/node-paywall.js';
import { readBody } from './node/request-body.js';
import { writeReply } from './node/write-reply.js';
import { checkPrice, type PaywallOptions, type PriceOptions } from './options.js';
import { Paywall } from './paywall.js';
import type { PricedCall } from './priced-call.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Present behind a price. */
    farebox?: PricedCall;
  }
}

/** Hooks for a route's options, or for `addHook`. Both are needed: the first binds the body before Fastify parses it. */
export interface PriceHooks {
  readonly preParsing: (request: FastifyRequest) => Promise<void>;
  readonly preHandler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
}

/**
 * Gives a function that puts prices before routes: `app.get('/search', { ...price({ meter: 'api_calls' }) }, handler)`. The functions
 * of a price find the request parsed and validated. For Fastify 4 and 5.
 * @throws InvalidOptionError
 */
export function paywall(
  options: PaywallOptions | Paywall,
): <Req extends FastifyRequest = FastifyRequest>(price: PriceOptions<Req>) => PriceHooks {
  const gate = options instanceof Paywall ? options : new NodePaywall(options);
  return <Req extends FastifyRequest>(price: PriceOptions<Req>): PriceHooks => {
    checkPrice(price);
    return {
      preParsing: async (request) => {
        const reading = await readBody(request.raw, [], gate.settings.maxRequestBytes);
        // What is too long was not put back: it is refused here, before the parser waits for it.
        if (reading.kind === 'too_long') throw new BodyTooLongError(gate.settings.maxRequestBytes);
      },
      // A hook stands before routes of its own kind: what they know of their requests, the price knows.
      preHandler: (request, reply) => serve(gate, price, request as Req, reply),
    };
  };
}

class BodyTooLongError extends Error {
  readonly code = 'FST_ERR_CTP_BODY_TOO_LARGE';
  readonly statusCode = 413;

  constructor(limit: number) {
    super(`Request body is larger than ${limit} bytes.`);
  }
}

/** Holds the reply itself, so serialisers, other hooks, streams and error handlers all work as they would without it. */
async function serve<Req extends FastifyRequest>(
  gate: Paywall,
  price: PriceOptions<Req>,
  request: Req,
  reply: FastifyReply,
): Promise<unknown> {
  const { raw, body } = request;
  const rawBody: unknown = 'rawBody' in request ? request.rawBody : undefined;
  const asked = await ask(gate, new NodeArrival(raw, request, request.originalUrl, [rawBody, body]), price);
  const keep = reply.getHeaders() as OutgoingHttpHeaders;
  if (asked.kind !== 'serve') {
    reply.hijack();
    if (asked.kind === 'answer') writeReply(reply.raw, asked.reply, keep);
    return reply;
  }
  request.farebox = asked.call;
  hold(gate, asked.call, reply.raw, keep, () => price.measured?.(request));
  return undefined;
}
