import type { ServerResponse } from 'node:http';
import { paywall, type PricedMessage } from '../src/express.js';
import type { PaywallOptions, PriceOptions } from '../src/options.js';
import { GateStandIn } from './gate-stand-in.js';
import { serve, type Served } from './serve.js';

export type Handler = (req: PricedMessage, res: ServerResponse) => unknown;

export const hello: Handler = (_, res) => res.writeHead(200, { 'content-type': 'text/plain' }).end('hello');

/** Bare node:http servers behind one gate. */
export class BareShop {
  readonly errors: Error[] = [];
  readonly served: Served[] = [];
  /** How often a handler ran. */
  runs = 0;

  private constructor(readonly gate: GateStandIn) {}

  static async open(): Promise<BareShop> {
    return new BareShop(await GateStandIn.start());
  }

  async close(): Promise<void> {
    await Promise.all(this.served.map((server) => server.stop()));
    await this.gate.stop();
  }

  /** Sells what a handler answers, and gives the URL where. */
  async sell(
    handler: Handler,
    price: Partial<PriceOptions<PricedMessage>> = {},
    options: Partial<PaywallOptions> = {},
  ): Promise<string> {
    const onError = (error: Error): number => this.errors.push(error);
    const put = paywall({ gateUrl: this.gate.url, key: 'fbk_gate', onError, ...options });
    const guard = put({ meter: 'api_calls', ...price });
    const server = await serve((req, res) => {
      void guard(req, res, () => {
        this.runs += 1;
        return handler(req, res);
      });
    });
    this.served.push(server);
    return server.url;
  }
}
