import type { Context, Env, MiddlewareHandler } from 'hono';
import { ask } from './exchange.js';
import { checkPrice, type PaywallOptions, type PriceOptions } from './options.js';
import { Paywall } from './paywall.js';
import type { PricedCall } from './priced-call.js';
import { abandon, letGo, settleResponse, unlessGone } from './web/settle-response.js';
import { WebArrival } from './web/web-arrival.js';
import { toResponse } from './web/web-reply.js';

export { Paywall };

declare module 'hono' {
  interface ContextVariableMap {
    /** Present behind a price. */
    farebox: PricedCall;
  }
}

/**
 * Gives a function that puts prices before routes: `app.get('/search', price({ meter: 'api_calls' }), handler)`. It asks for
 * nothing but web standards.
 * @throws InvalidOptionError
 */
export function paywall(
  options: PaywallOptions | Paywall,
): <E extends Env = Env>(price: PriceOptions<Context<E, string>>) => MiddlewareHandler<E> {
  const gate = options instanceof Paywall ? options : new Paywall(options);
  return <E extends Env>(price: PriceOptions<Context<E, string>>): MiddlewareHandler<E> => {
    checkPrice(price);
    return async (c, next) => {
      const { raw } = c.req;
      const asked = await ask(gate, new WebArrival(raw, c), price);
      if (asked.kind === 'gone') return c.body(null, 400); // Nobody is there to read it.
      if (asked.kind === 'answer') return replace(c, toResponse(asked.reply, c.res.headers));
      const { call } = asked;
      (c as Context).set('farebox', call);
      const keep = new Headers(c.res.headers);
      const serving = { paywall: gate, call, signal: raw.signal, measured: () => price.measured?.(c), keep };
      try {
        const isDone = await unlessGone(
          raw.signal,
          next().then(() => true),
        );
        if (isDone !== true) return replace(c, await abandon(serving, 'closed'));
        // Hono's own error handling has answered what a handler threw: that answer leaves, unpaid.
        if (c.error !== undefined) return replace(c, await letGo(serving, c.res, 'The handler failed.'));
        return replace(c, await settleResponse(serving, c.res));
      } catch (error) {
        gate.report(error);
        return replace(c, await abandon(serving, 'failed'));
      }
    };
  };
}

/** The answer as it is: Hono would add the headers of the one before it. */
function replace<E extends Env>(c: Context<E>, response: Response): void {
  c.res = undefined;
  c.res = response;
}
