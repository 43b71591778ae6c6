import { CallMeter, type CallOptions, type NodeResponse } from './call-meter.js';
import type { Metering } from './metering.js';

export type { CallOptions } from './call-meter.js';
/** For `app.use(…)`, on either platform: sees every request, also those that a guard turns away. It is given Node's. */
export { type CallMiddleware, meterCalls } from './express.js';

/** Express hands over Node's own response; Fastify keeps it in `raw`. */
type Response = NodeResponse & { readonly raw?: NodeResponse };

/** Nest's ExecutionContext, as far as it matters here. */
export interface CallContext {
  getType(): string;
  switchToHttp(): { getRequest<Request>(): Request; getResponse<Answer>(): Answer };
}

/**
 * An interceptor that records one call for every response of the handlers it stands before, on Express and on Fastify:
 * `app.useGlobalInterceptors(new MeterCalls(metering, { … }))` or `@UseInterceptors(new MeterCalls(…))`. What a guard turns
 * away does not reach it, and is not recorded. What is no HTTP passes through.
 */
export class MeterCalls<Req> {
  readonly #calls: CallMeter<Req>;

  constructor(metering: Metering, options: CallOptions<Req>) {
    this.#calls = new CallMeter(metering, options);
  }

  intercept<Handled>(context: CallContext, next: { handle(): Handled }): Handled {
    if (context.getType() === 'http') {
      const http = context.switchToHttp();
      const response = http.getResponse<Response>();
      this.#calls.watch(http.getRequest<Req>(), response.raw ?? response);
    }
    return next.handle();
  }
}
