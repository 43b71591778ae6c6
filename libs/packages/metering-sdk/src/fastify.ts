import { CallMeter, type CallOptions, type NodeResponse } from './call-meter.js';
import type { Metering } from './metering.js';

export type { CallOptions } from './call-meter.js';

interface Reply {
  readonly raw: NodeResponse;
}

/** Fastify's instance, as far as it matters here. */
export interface HookedApp<Req> {
  addHook(name: 'onRequest', hook: (request: Req, reply: Reply, done: () => void) => void): unknown;
}

/** For Fastify 4 and 5. */
export type CallPlugin<Req> = (app: HookedApp<Req>, options: unknown, done: () => void) => void;

/**
 * A plugin that records one call for every response of the app it is registered on:
 * `app.register(meterCalls(metering, { meter: 'api_calls', account: (request) => … }))`.
 */
export function meterCalls<Req>(metering: Metering, options: CallOptions<Req>): CallPlugin<Req> {
  const calls = new CallMeter(metering, options);
  const plugin: CallPlugin<Req> = (app, _, done) => {
    app.addHook('onRequest', (request, reply, next) => {
      calls.watch(request, reply.raw);
      next();
    });
    done();
  };
  // Fastify's own sign that a plugin is for the app around it, and not for a scope of its own.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true });
}
