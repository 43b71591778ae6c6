import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { stream } from 'hono/streaming';
import type { PricedCall } from '@farebox/paywall';
import { paywall as expressPaywall } from '@farebox/paywall/express';
import { paywall as fastifyPaywall } from '@farebox/paywall/fastify';
import { paywall as honoPaywall } from '@farebox/paywall/hono';

/** What a gate is asked with. */
export interface GateOf {
  readonly gateUrl: string;
  readonly key: string;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Sold in parts of ten seconds of computing, 500 atomic units each. */
const PRICE = { meter: 'compute.seconds', quantity: '10', stream: { every: '10' } } as const;

/** What a stream says when it was stopped. */
export const STOPPED = '[stopped]';

/** `1 2 3 …`: what a stream of so many parts says. */
export const partsTo = (count: number): string => Array.from({ length: count }, (_, n) => `${n + 1} `).join('');

/** `parts` parts of one second each, as the query says; with `pause` it stands still after that one, and never goes on. */
async function* partsOf(url: string, call: PricedCall | undefined): AsyncGenerator<string> {
  const { searchParams } = new URL(url, 'http://shop');
  const [parts, pause] = [Number(searchParams.get('parts')), Number(searchParams.get('pause'))];
  for (let n = 1; n <= parts; n += 1) {
    if (call === undefined || !(await call.use(String(n)))) {
      yield STOPPED;
      return;
    }
    yield `${n} `;
    if (n === pause) await new Promise(() => undefined);
  }
}

export function expressShop(gate: GateOf): Handler {
  const app = express();
  app.get('/stream', expressPaywall(gate)(PRICE), async (request, response) => {
    for await (const part of partsOf(request.url, request.farebox)) response.write(part);
    response.end();
  });
  return app;
}

export async function fastifyShop(gate: GateOf): Promise<Handler> {
  const app = Fastify();
  app.get('/stream', { ...fastifyPaywall(gate)(PRICE) }, (request, reply) =>
    reply.type('text/plain').send(Readable.from(partsOf(request.url, request.farebox), { highWaterMark: 1 })),
  );
  await app.ready();
  return (request, response) => app.routing(request, response);
}

export function honoShop(gate: GateOf): Handler {
  const app = new Hono();
  app.get('/stream', honoPaywall(gate)(PRICE), (c) =>
    stream(c, async (out) => {
      for await (const part of partsOf(c.req.url, c.get('farebox'))) await out.write(part);
    }),
  );
  const listener = getRequestListener(app.fetch);
  return (request, response) => void listener(request, response);
}
