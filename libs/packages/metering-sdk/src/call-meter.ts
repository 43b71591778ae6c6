import { CallLostError } from './errors.js';
import type { Metering } from './metering.js';

/** What to record of a call, asked when its response has left: by then it is known who called and how it went. */
export interface CallOptions<Req> {
  /** Records one use of this meter per response. */
  readonly meter: string;
  /** Who is charged; a call of nobody's is not recorded. */
  readonly account: (request: Req) => string | undefined;
  readonly dimensions?: (request: Req, status: number) => Readonly<Record<string, string>> | undefined;
  /** Which calls are not recorded, e.g. those that failed on our side: `(_, status) => status >= 500`. */
  readonly skip?: (request: Req, status: number) => boolean;
  /** Records also, on a meter of its own, the seconds from the arrival of the request to the end of its response. */
  readonly seconds?: { readonly meter: string };
}

/** Node's response, as far as it matters here. */
export interface NodeResponse {
  readonly statusCode: number;
  once(event: 'finish', listener: () => void): unknown;
}

/**
 * Records the calls that were answered. A response that was broken off is not recorded: in doubt, bill less. What fails here
 * is reported to `onError` of the client as CallLostError, and never reaches the caller.
 */
export class CallMeter<Req> {
  constructor(
    private readonly metering: Metering,
    private readonly options: CallOptions<Req>,
  ) {}

  watch(request: Req, response: NodeResponse): void {
    const seconds = this.metering.stopwatch();
    response.once('finish', () => void this.#finished(request, response.statusCode, seconds()));
  }

  async #finished(request: Req, status: number, seconds: string): Promise<void> {
    const { meter, account: accountOf, dimensions: dimensionsOf, skip, seconds: timed } = this.options;
    try {
      const account = accountOf(request);
      if (account === undefined || skip?.(request, status) === true) return;
      const dimensions = dimensionsOf?.(request, status);
      const common = { account, ...(dimensions !== undefined && { dimensions }) };
      const records = [this.#record({ meter, ...common })];
      if (timed !== undefined) records.push(this.#record({ meter: timed.meter, value: seconds, ...common }));
      await Promise.all(records);
    } catch (cause) {
      this.metering.report(new CallLostError(meter, { cause }));
    }
  }

  async #record(record: Parameters<Metering['record']>[0]): Promise<void> {
    try {
      await this.metering.record(record);
    } catch (cause) {
      this.metering.report(new CallLostError(record.meter, { cause }));
    }
  }
}
