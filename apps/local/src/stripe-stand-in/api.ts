import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { StandInError, unauthorized } from './errors.js';
import { API_VERSION } from './events.js';
import { expanded } from './expand.js';
import type { Fault, Faults } from './faults.js';
import { holdKey, replayOf, settleKey } from './idempotency.js';
import { Params } from './params.js';
import { ROUTES } from './routes.js';
import type { Operation } from './routes.js';
import type { World } from './world.js';

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Execution had begun: the answer is kept under the key. */
  readonly begun: boolean;
}

/** The API of the LOCAL STAND-IN: authentication, faults, idempotency, and the resources behind them. */
export class Api {
  constructor(
    private readonly world: World,
    private readonly faults: Faults,
    private readonly afterwards: () => void,
  ) {}

  serve(app: FastifyInstance): void {
    for (const [method, url, operation] of ROUTES) {
      app.route({ method, url, handler: (request, reply) => this.answer(request, reply, operation) });
    }
    app.route({
      method: ['GET', 'POST', 'DELETE'],
      url: '/v1/*',
      handler: (request, reply) => this.answer(request, reply, unknownUrl(request)),
    });
  }

  private async answer(request: FastifyRequest, reply: FastifyReply, operation: Operation): Promise<void> {
    const requestId = `req_${randomBytes(7).toString('hex')}`;
    const key = request.method === 'POST' ? headerOf(request, 'idempotency-key') : undefined;
    void reply.headers({
      'request-id': requestId,
      'stripe-version': headerOf(request, 'stripe-version') ?? API_VERSION,
      'x-local-stand-in': 'this is not Stripe',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    });
    const fault = this.faults.next(request.method, pathOf(request));
    const early = earlyAnswer(fault);
    if (early !== undefined) return send(reply, early);
    if (fault?.kind === 'hold_before' || fault?.kind === 'close_before') return silence(request, reply, fault);
    const answer = await this.once(request, reply, operation, requestId, key, fault);
    if (fault?.kind === 'hold_after' || fault?.kind === 'close_after') return silence(request, reply, fault);
    return send(reply, fault?.kind === 'error_after' ? serverError(true) : answer);
  }

  /** Carries the request out, unless its key says that this was done before. */
  private async once(
    request: FastifyRequest,
    reply: FastifyReply,
    operation: Operation,
    requestId: string,
    key: string | undefined,
    fault: Fault | undefined,
  ): Promise<Answer> {
    const { world } = this;
    const form = request.method === 'POST' ? bodyOf(request) : (request.url.split('?')[1] ?? '');
    const asked = `${request.method} ${pathOf(request)} ${form}`;
    try {
      authenticate(request);
      if (key !== undefined) {
        const stored = replayOf(world, key, asked);
        if (stored !== undefined) {
          void reply.headers({ 'idempotent-replayed': 'true', 'original-request': stored.requestId });
          return { status: stored.status, body: stored.body, begun: true };
        }
        holdKey(world, key, asked);
      }
    } catch (error) {
      return answerTo(error);
    }
    if (fault?.kind === 'slow') await pause(fault.holdMs);
    world.request = { id: requestId, idempotencyKey: key ?? null };
    const done = this.carryOut(request, operation, form);
    world.request = null;
    const answer = fault?.kind === 'error_stored' ? serverError(false) : done;
    if (key !== undefined) {
      settleKey(world, key, answer.begun ? { status: answer.status, body: answer.body, requestId } : null);
    }
    this.afterwards();
    return answer;
  }

  private carryOut(request: FastifyRequest, operation: Operation, form: string): Answer {
    let begun = false;
    try {
      const { world } = this;
      const params = Params.parse(form);
      const version = headerOf(request, 'stripe-version');
      const { id = '' } = request.params as { id?: string };
      if (request.method !== 'GET') world.changed = true;
      const result = operation({ world, params, path: pathOf(request), id, version });
      begun = true;
      return {
        status: 200,
        body: JSON.stringify(expanded(world.state, result, params.list('expand') ?? [])),
        begun: true,
      };
    } catch (error) {
      return answerTo(error, begun);
    }
  }
}

function authenticate(request: FastifyRequest): void {
  const header = headerOf(request, 'authorization') ?? '';
  const key = header.startsWith('Basic ')
    ? (Buffer.from(header.slice(6), 'base64').toString().split(':')[0] ?? '')
    : header.replace(/^Bearer /, '');
  if (/^[sr]k_live_/.test(key))
    throw unauthorized('A live key has no business at a local stand-in. Nothing was sent anywhere.');
  if (!/^[sr]k_test_\w+$/.test(key))
    throw unauthorized('Invalid API Key provided: the stand-in takes any sk_test_ key.');
}

function unknownUrl(request: FastifyRequest): Operation {
  return () => {
    const message = `Unrecognized request URL (${request.method}: ${pathOf(request)}), or one this local stand-in does not have.`;
    throw new StandInError(404, { type: 'invalid_request_error', message }, false);
  };
}

/** `done`: the work was done and only the answer could not be written, so a repeat must not do it again. */
function answerTo(error: unknown, done = false): Answer {
  if (!(error instanceof StandInError)) {
    console.error('The local Stripe stand-in has a defect:', error);
    return serverError(false);
  }
  const { status, body, begun, headers } = error;
  return {
    status,
    body: JSON.stringify({ error: body }),
    headers: { 'stripe-should-retry': 'false', ...headers },
    begun: begun || done,
  };
}

function earlyAnswer(fault: Fault | undefined): Answer | undefined {
  const error = (status: number, body: object, headers: Record<string, string>): Answer => ({
    status,
    body: JSON.stringify({ error: body }),
    headers,
    begun: false,
  });
  if (fault?.kind === 'error_before') return serverError(true);
  if (fault?.kind === 'rate_limit') {
    const message = 'Too many requests hit the API too quickly (a fault of the local stand-in).';
    return error(429, { type: 'invalid_request_error', code: 'rate_limit', message }, { 'retry-after': '1' });
  }
  if (fault?.kind !== 'conflict') return undefined;
  const message =
    'This object cannot be accessed right now because another request is using it (a fault of the local stand-in).';
  return error(
    409,
    { type: 'invalid_request_error', code: 'lock_timeout', message },
    { 'stripe-should-retry': 'true' },
  );
}

function serverError(retry: boolean): Answer {
  const message = 'An unknown error occurred (a fault of the local stand-in).';
  return {
    status: 500,
    body: JSON.stringify({ error: { type: 'api_error', message } }),
    headers: { 'stripe-should-retry': String(retry) },
    begun: true,
  };
}

function send(reply: FastifyReply, { status, body, headers = {} }: Answer): void {
  void reply.code(status).headers(headers).header('content-type', 'application/json').send(body);
}

/** No answer: the socket is closed, at once or after it was held open. */
async function silence(request: FastifyRequest, reply: FastifyReply, fault: Fault): Promise<void> {
  reply.hijack();
  const { socket } = request.raw;
  if (fault.kind.startsWith('hold')) {
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    await pause(fault.holdMs, undefined, { signal: gone.signal, ref: false }).catch(() => undefined);
  }
  socket.destroy();
}

function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? '';
}

function bodyOf(request: FastifyRequest): string {
  return typeof request.body === 'string' ? request.body : '';
}
