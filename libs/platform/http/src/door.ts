import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import type { Logger, Metrics } from '@platform/telemetry';
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify';
import { answerLines, type LineRoute } from './answer-lines.js';
import { authenticate, type KeyCheck } from './caller.js';
import type { z } from 'zod';
import { JSON_TYPE, LINES_TYPE, MEBIBYTE, type Operation, type OperationTable } from './operation.js';
import { parse } from './parse.js';
import { faultOf, malformedUrl, renderProblem, WrongMethod } from './problems.js';

export interface DoorOptions {
  readonly operations: OperationTable;
  readonly keys: KeyCheck;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Paths outside the operations that may be served, e.g. the pages of the documents. */
  readonly pages: readonly string[];
  /** How many proxies stand in front, whose X-Forwarded-For tells the caller's address. */
  readonly trustedProxies: number;
}

/** Media types besides JSON whose bodies are JSON. */
const JSON_KINDS = ['application/cloudevents+json', 'application/cloudevents-batch+json'];

declare module 'fastify' {
  interface FastifyRequest {
    /** What it asks for; undefined for a path that is no operation. */
    operation: Operation | undefined;
    /** Path pattern of its route; undefined where there is none. */
    pattern: string | undefined;
  }
}

const REQUEST_ID = /^[A-Za-z0-9._:/+=-]{1,128}$/;

/**
 * The web server with all that holds for every request: a request id, who asks and whether they may, limits, what comes in
 * read by its schema, problems as problem documents, one log line, one measurement. A route that is no operation is refused
 * when it is added, so nothing can be reachable by oversight.
 */
export async function openDoor(options: DoorOptions): Promise<FastifyInstance> {
  const server = fastify({
    bodyLimit: MEBIBYTE,
    trustProxy: (_, hop) => hop < options.trustedProxies,
    requestTimeout: 60_000,
    genReqId: (raw) => requestIdOf(raw.headers['x-request-id']) ?? options.ids.next('req'),
    frameworkErrors: (error, request, reply) => sendProblem(options, error, request, reply),
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 256 },
  });
  server.decorateRequest('caller', undefined);
  server.decorateRequest('operation', undefined);
  server.decorateRequest('pattern', undefined);
  readBodies(server);
  endConnections(server);
  server.addHook('onRoute', (route) => describeRoute(options, route));
  await server.register(rateLimit, {
    global: false,
    // A caller that shows who it is answers for itself.
    allowList: (request) => request.caller !== undefined,
    errorResponseBuilder: (_, context) =>
      new Fault(
        'too_many_requests',
        `More than ${context.max} requests a minute from this address: wait as Retry-After says.`,
        {
          reason: 'rate_limited',
          retryAfterSeconds: Math.ceil(context.ttl / 1000),
        },
      ),
  });

  // Hooks that wait for nothing are no promises: they are on the way of every request.
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    const { url } = request.routeOptions;
    const operation = options.operations.find(request.method, url);
    request.pattern = url;
    request.operation = operation;
    if (operation === undefined || operation.access === 'public') return done();
    const { authorization } = request.headers;
    if (authorization === undefined && operation.access.optional) return done();
    authenticate(options.keys, authorization, operation.access.scope).then(
      (caller) => {
        request.caller = caller;
        done();
      },
      (error: unknown) => done(asError(error)),
    );
  });
  server.addHook('preValidation', (request, _, done) => {
    try {
      if (request.operation) readInput(request.operation, request);
      done();
    } catch (error) {
      done(asError(error));
    }
  });
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.pattern ?? 'unmatched';
    const { statusCode: status, elapsedTime } = reply;
    options.metrics.request(request.method, route, status, elapsedTime / 1000);
    if (options.logger.isLevelEnabled('info')) {
      const ms = Math.round(elapsedTime * 10) / 10;
      const line = { requestId: request.id, method: request.method, route, status, ms };
      const { caller } = request;
      options.logger.info(caller ? { ...line, provider: caller.provider, keyId: caller.key } : line, 'request');
    }
    done();
  });
  return server;
}

/** Routes outside the framework, for the paths where every millisecond counts. Same hooks, same checks, same problems. */
export async function addHotRoutes(
  server: FastifyInstance,
  options: DoorOptions,
  routes: readonly (HotRoute | LineRoute)[],
): Promise<void> {
  await server.register(async (scope) => {
    scope.setErrorHandler((error, request, reply) => sendProblem(options, error, request, reply));
    const add = (to: FastifyInstance, route: HotRoute | LineRoute) => {
      const { method, path: url } = route.operation;
      if ('answer' in route) return to.route({ method, url, handler: route.answer });
      return to.route({
        method,
        url,
        handler: async (request, reply) => answerLines(route, options.logger, request, reply, bytesOf(request)),
      });
    };
    for (const route of routes) if (!route.operation.raw) add(scope, route);
    await scope.register(async (unread) => {
      leaveBodies(unread);
      for (const route of routes) if (route.operation.raw) add(unread, route);
    });
  });
}

/** Bodies that are read behind the door, where their bytes are what counts. */
function leaveBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser([JSON_TYPE, LINES_TYPE], { parseAs: 'buffer' }, (_, bytes: Buffer, done) =>
    done(null, bytes),
  );
}

export interface HotRoute {
  readonly operation: Operation;
  /** Body, query and params have been read by the operation's schemas; the body of a raw operation is a Buffer. */
  readonly answer: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
}

/** The body of a request to an operation with this schema, which the door has read by it. */
export const bodyOf = <T extends z.ZodType>(_schema: T, request: FastifyRequest): z.output<T> =>
  request.body as z.output<T>;

/**
 * The bytes of a request to a raw operation.
 * @throws Fault invalid_request (`missing_body`)
 */
export function bytesOf(request: FastifyRequest): Buffer {
  if (Buffer.isBuffer(request.body) && request.body.length > 0) return request.body;
  throw new Fault('invalid_request', 'The request has no body: send JSON with Content-Type: application/json.', {
    reason: 'missing_body',
  });
}

/** Writes a problem out; our own failures are logged with their cause. */
export function sendProblem(
  options: Pick<DoorOptions, 'logger' | 'operations'>,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { status, headers, body, ours } = renderProblem(wrongMethod(options.operations, thrown, request), request.id);
  if (ours)
    options.logger.error({ requestId: request.id, route: request.routeOptions.url, err: thrown }, 'request failed');
  void reply
    .code(status)
    .headers({ 'x-request-id': request.id, ...headers })
    .send(body);
}

/** A path that exists but not for this method: 405 rather than 404. */
function wrongMethod(operations: OperationTable, thrown: unknown, request: FastifyRequest): unknown {
  if (!request.is404 || thrown instanceof Fault) return thrown;
  const allowed = operations.methodsOf(request.url.split('?', 1)[0] ?? '');
  // The router found nothing although path and method exist: it could not decode the path.
  if (allowed.some((method) => method === request.method)) return malformedUrl();
  return allowed.length === 0 ? thrown : new WrongMethod(request.method, allowed);
}

/**
 * On a stop, running requests are waited for and connections are not: one that was opened ahead and never used would
 * otherwise hold the process until it times out.
 */
function endConnections(server: FastifyInstance): void {
  let running = 0;
  server.server.on('request', (_, response) => {
    running += 1;
    response.once('close', () => (running -= 1));
  });
  server.addHook('preClose', async () => {
    const timer = setInterval(() => {
      if (running === 0) server.server.closeAllConnections();
    }, 20);
    server.server.once('close', () => clearInterval(timer));
  });
}

/** Bodies are JSON. What cannot be read is a fault from here on, which the framework hands on as it is. */
function readBodies(server: FastifyInstance): void {
  const read = server.getDefaultJsonParser('error', 'error');
  // Bare text is never what a caller means; without this it would be read as a string.
  server.removeContentTypeParser(['text/plain', JSON_TYPE]);
  server.addContentTypeParser([JSON_TYPE, ...JSON_KINDS], { parseAs: 'string' }, (request, text: string, done) => {
    void read(request, text, (error, body) => {
      done(error === null ? null : faultOf(error), body);
    });
  });
}

/** Gives a route the limits of its operation. */
function describeRoute({ operations, pages }: DoorOptions, route: RouteOptions): void {
  for (const method of [route.method].flat()) {
    const operation = operations.find(method, route.url);
    if (operation) {
      route.bodyLimit = operation.bodyLimit ?? MEBIBYTE;
      if (operation.perMinute !== undefined) {
        route.config = { ...route.config, rateLimit: { max: operation.perMinute, timeWindow: 60_000 } };
      }
    } else if (!pages.some((page) => route.url === page || route.url.startsWith(`${page}/`))) {
      throw new Error(`${method} ${route.url} is served but no operation describes it: nobody would check who asks`);
    }
  }
}

function readInput(operation: Operation, request: FastifyRequest): void {
  if (operation.params) request.params = parse(operation.params, request.params, 'path');
  if (operation.query) request.query = parse(operation.query, request.query, 'query');
  else if (hasFields(request.query) && operation.access !== 'public') {
    throw new Fault('invalid_request', 'This takes no query: leave out what follows the question mark.', {
      reason: 'invalid_query',
    });
  }
  if (!operation.body) return;
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  const expected = operation.mediaTypes ?? [JSON_TYPE];
  if (type !== undefined && !expected.includes(type)) {
    throw new Fault(
      'unsupported_media_type',
      `The body has the media type ${type.slice(0, 80)}: send ${expected.join(' or ')}.`,
      {
        reason: 'unsupported_media_type',
        details: { expected },
      },
    );
  }
  if (!operation.raw) request.body = parse(operation.body, request.body, 'body');
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

const hasFields = (query: unknown): boolean =>
  typeof query === 'object' && query !== null && Object.keys(query).length > 0;

const requestIdOf = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && REQUEST_ID.test(header) ? header : undefined;
