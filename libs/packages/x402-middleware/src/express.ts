import type { IncomingMessage, ServerResponse } from 'node:http';
import { ask } from './exchange.js';
import { hold } from './node/hold.js';
import { NodeArrival } from './node/node-arrival.js';
import { NodePaywall } from './node/node-paywall.js';
import { writeReply } from './node/write-reply.js';
import { checkPrice, type PaywallOptions, type PriceOptions } from './options.js';
import { Paywall } from './paywall.js';
import type { PricedCall } from './priced-call.js';

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- Where Express's types look for what middleware adds.
  namespace Express {
    interface Request {
      /** Present behind a price. */
      farebox?: PricedCall;
    }
  }
}

/** Node's request with what Express and body parsers may have added. */
export interface PricedMessage extends IncomingMessage {
  originalUrl?: string;
  body?: unknown;
  rawBody?: unknown;
  farebox?: PricedCall;
}

/** For Express 4 and 5, for Connect, and for a bare server: `(req, res) => guard(req, res, () => handler(req, res))`. */
export type PriceMiddleware<Req> = (req: Req, res: ServerResponse, next: (error?: unknown) => unknown) => Promise<void>;

/**
 * Gives a function that puts prices before routes: `app.get('/search', price({ meter: 'api_calls' }), handler)`.
 * @throws InvalidOptionError
 */
export function paywall(
  options: PaywallOptions | Paywall,
): <Req extends PricedMessage = PricedMessage>(price: PriceOptions<Req>) => PriceMiddleware<Req> {
  const gate = options instanceof Paywall ? options : new NodePaywall(options);
  return (price) => {
    checkPrice(price);
    return (req, res, next) => serve(gate, price, req, res, next);
  };
}

/** Never rejects, and never calls `next` with an error: on a bare server that would run the handler unpaid. */
async function serve<Req extends PricedMessage>(
  gate: Paywall,
  price: PriceOptions<Req>,
  req: Req,
  res: ServerResponse,
  next: () => unknown,
): Promise<void> {
  const asked = await ask(gate, arrivalOf(req), price);
  if (asked.kind === 'gone') return;
  if (asked.kind === 'answer') return writeReply(res, asked.reply);
  const { call } = asked;
  req.farebox = call;
  const held = hold(gate, call, res, res.getHeaders(), () => price.measured?.(req));
  try {
    await next();
  } catch (error) {
    gate.report(error);
    await held.fail();
  }
}

function arrivalOf<Req extends PricedMessage>(req: Req): NodeArrival<Req> {
  return new NodeArrival(req, req, req.originalUrl ?? req.url ?? '/', [req.rawBody, req.body]);
}
