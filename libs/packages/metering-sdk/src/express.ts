import { CallMeter, type CallOptions, type NodeResponse } from './call-meter.js';
import type { Metering } from './metering.js';

export type { CallOptions } from './call-meter.js';

/** For Express 4 and 5, for Connect, and for a bare server. */
export type CallMiddleware<Req> = (request: Req, response: NodeResponse, next: () => unknown) => void;

/**
 * Records one call for every response: `app.use(meterCalls(metering, { meter: 'api_calls', account: (req) => … }))`. Put it
 * before the routes, and before whatever may answer in their place.
 */
export function meterCalls<Req>(metering: Metering, options: CallOptions<Req>): CallMiddleware<Req> {
  const calls = new CallMeter(metering, options);
  return (request, response, next) => {
    calls.watch(request, response);
    next();
  };
}
