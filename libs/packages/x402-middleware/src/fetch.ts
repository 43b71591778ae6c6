import { ask } from './exchange.js';
import { checkPrice, type PaywallOptions, type PriceOptions } from './options.js';
import { Paywall } from './paywall.js';
import type { PricedCall } from './priced-call.js';
import { abandon, settleResponse, unlessGone } from './web/settle-response.js';
import { WebArrival } from './web/web-arrival.js';
import { toResponse } from './web/web-reply.js';

export { Paywall };

/** A web-standard handler. What the platform hands over beside the request (a context, an environment) is passed on. */
export type FetchHandler<Req extends Request, Rest extends readonly unknown[]> = (
  request: Req,
  ...rest: Rest
) => Response | Promise<Response>;

/** Puts a price before a handler. The priced handler never rejects. */
export type PricedFetch<Req extends Request> = <Rest extends readonly unknown[]>(
  handler: FetchHandler<Req, Rest>,
) => (request: Req, ...rest: Rest) => Promise<Response>;

const calls = new WeakMap<Request, PricedCall>();

/** The priced call of a request, for the handler behind a price: to see the payment, to `measure` and to `use`. */
export const callOf = (request: Request): PricedCall | undefined => calls.get(request);

/**
 * Gives a function that puts prices before web-standard handlers: `const sell = price({ meter: 'api_calls' })`, then
 * `export const GET = sell((request) => Response.json(…))`. It asks for nothing but web standards, so it runs at the edge.
 * @throws InvalidOptionError
 */
export function paywall(
  options: PaywallOptions | Paywall,
): <Req extends Request = Request>(price: PriceOptions<Req>) => PricedFetch<Req> {
  const gate = options instanceof Paywall ? options : new Paywall(options);
  return (price) => {
    checkPrice(price);
    return (handler) =>
      async (request, ...rest) => {
        const asked = await ask(gate, new WebArrival(request, request), price);
        if (asked.kind === 'gone') return new Response(null, { status: 400 }); // Nobody is there to read it.
        if (asked.kind === 'answer') return toResponse(asked.reply);
        const { call } = asked;
        calls.set(request, call);
        const serving = { paywall: gate, call, signal: request.signal, measured: () => price.measured?.(request) };
        try {
          const response = await unlessGone(request.signal, (async () => handler(request, ...rest))());
          if (response === undefined) return await abandon(serving, 'closed');
          return await settleResponse(serving, response);
        } catch (error) {
          gate.report(error);
          return abandon(serving, 'failed');
        }
      };
  };
}
