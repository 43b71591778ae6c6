import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import {
  applyDecorators,
  type CanActivate,
  createParamDecorator,
  type DynamicModule,
  type ExecutionContext,
  HttpException,
  Inject,
  Injectable,
  Module,
  type ModuleMetadata,
  SetMetadata,
  UseGuards,
} from '@nestjs/common';
import { PaywallError } from './errors.js';
import { type Asked, ask } from './exchange.js';
import { HeldResponse } from './node/held-response.js';
import { hold } from './node/hold.js';
import { NodeArrival } from './node/node-arrival.js';
import { NodePaywall as Paywall } from './node/node-paywall.js';
import { checkPrice, type PaywallOptions, type PriceOptions } from './options.js';
import type { PricedCall } from './priced-call.js';
import { handlerFailed } from './problem.js';

/** What Express's and Fastify's requests have in common. Give `Price` your own request type to see more. */
export interface NestRequest {
  readonly method: string;
  readonly url: string;
  readonly originalUrl?: string;
  readonly headers: IncomingMessage['headers'];
  readonly query: unknown;
  readonly params: unknown;
  readonly body?: unknown;
  readonly rawBody?: unknown;
  /** Present behind a price. */
  farebox?: PricedCall;
}

/** Express hands over Node's own objects; Fastify keeps them in `raw`. */
type Wrapped<Own> = Own & { readonly raw?: Own };
type NestResponse = Wrapped<ServerResponse> & { getHeaders(): OutgoingHttpHeaders };

const PRICE = 'farebox:price';

/** Requests that a PriceGuard let through; each module that has prices has a guard of its own. */
const admitted = new WeakSet<object>();

/** The paywall has its answer ready, and it is what will be sent; this only ends Nest's own way through the request. */
export class AnsweredByPaywall extends HttpException {
  constructor(status: number) {
    super('Answered by the paywall.', status);
  }
}

/**
 * Asks the gate before a handler runs, and holds what Nest writes until it is paid for. It holds the response itself, so
 * interceptors, filters, serialisation, streams and `@Res()` all work as they would without it.
 */
@Injectable()
export class PriceGuard implements CanActivate {
  constructor(@Inject(Paywall) private readonly paywall: Paywall) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') throw new PaywallError('A price can only stand before an HTTP handler.');
    const price = priceOf(context);
    if (price === undefined) throw new PaywallError('This handler has a PriceGuard, but no @Price says what it costs.');
    const http = context.switchToHttp();
    const request = http.getRequest<NestRequest & Wrapped<IncomingMessage>>();
    if (admitted.has(request)) return true; // Priced on the class and on the method: the method's price was taken.

    const message: IncomingMessage & { farebox?: PricedCall } = request.raw ?? request;
    const target = request.originalUrl ?? request.url;
    const arrival = new NodeArrival<NestRequest>(message, request, target, [request.rawBody, request.body]);
    const asked = await ask<NestRequest>(this.paywall, arrival, price);
    this.#hold(http.getResponse<NestResponse>(), asked, () => price.measured?.(request));
    if (asked.kind !== 'serve') throw new AnsweredByPaywall(asked.kind === 'answer' ? asked.reply.status : 400);
    request.farebox = message.farebox = asked.call;
    admitted.add(request);
    return true;
  }

  /** An answer of the gate takes the place of whatever the exception filters write for AnsweredByPaywall. */
  #hold(response: NestResponse, asked: Asked, measured: () => string | undefined): void {
    const { paywall } = this;
    const res = response.raw ?? response;
    const keep = response.getHeaders();
    if (asked.kind === 'serve') return void hold(paywall, asked.call, res, keep, measured);
    const reply = asked.kind === 'answer' ? asked.reply : handlerFailed();
    const limit = paywall.settings.maxReplyBytes;
    new HeldResponse(res, { limit, keep, settle: async () => ({ kind: 'replace', reply }) });
  }
}

/**
 * Puts a price on a controller's method, or on all methods of a controller; a method's own price goes first. The guards
 * declared above it run before it.
 * @throws InvalidOptionError when the class is loaded.
 */
export function Price<Req = NestRequest>(price: PriceOptions<Req>): MethodDecorator & ClassDecorator {
  checkPrice(price);
  return applyDecorators(SetMetadata(PRICE, price), UseGuards(PriceGuard));
}

/** A handler's parameter: the PricedCall, to see the payment and to `measure`. */
export const FareboxCall = createParamDecorator((_: unknown, context: ExecutionContext): PricedCall => {
  const { farebox } = context.switchToHttp().getRequest<NestRequest>();
  if (farebox === undefined) throw new PaywallError('FareboxCall is asked for where no @Price stands.');
  return farebox;
});

/** Makes the paywall known to all modules. Without it an application with a `@Price` does not start. */
@Module({})
export class FareboxPaywallModule {
  /** @throws InvalidOptionError */
  static forRoot(options: PaywallOptions): DynamicModule {
    return moduleOf({ provide: Paywall, useValue: new Paywall(options) });
  }

  /** For options that another provider knows. */
  static forRootAsync<Injected extends readonly unknown[]>(setup: {
    readonly imports?: ModuleMetadata['imports'];
    readonly inject?: { [Index in keyof Injected]: abstract new (...args: never[]) => Injected[Index] };
    readonly useFactory: (...injected: Injected) => PaywallOptions | Promise<PaywallOptions>;
  }): DynamicModule {
    const useFactory = async (...injected: Injected): Promise<Paywall> =>
      new Paywall(await setup.useFactory(...injected));
    const provider = { provide: Paywall, useFactory, inject: [...(setup.inject ?? [])] };
    return { ...moduleOf(provider), ...(setup.imports !== undefined && { imports: setup.imports }) };
  }
}

function moduleOf(provider: NonNullable<ModuleMetadata['providers']>[number]): DynamicModule {
  return { module: FareboxPaywallModule, global: true, providers: [provider], exports: [Paywall] };
}

/** Nest keeps metadata with `reflect-metadata`, which every application of it loads. */
function priceOf(context: ExecutionContext): PriceOptions<NestRequest> | undefined {
  const price: unknown =
    Reflect.getMetadata(PRICE, context.getHandler()) ?? Reflect.getMetadata(PRICE, context.getClass());
  return price as PriceOptions<NestRequest> | undefined;
}
