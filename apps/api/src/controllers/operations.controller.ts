import { Controller, Header, Inject, Res } from '@nestjs/common';
import { type Operation, Serves } from '@platform/http';
import { Metrics } from '@platform/telemetry';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Readiness } from '../readiness.js';

/** Injection token of the OpenAPI document. */
export const API_DOCUMENT = Symbol('the OpenAPI document');

const standing = z.object({
  status: z.enum(['ready', 'degraded', 'unready']),
  parts: z.array(z.object({ name: z.enum(['database', 'chain', 'queue']), ok: z.boolean(), says: z.string() })),
});

const live: Operation = {
  method: 'GET',
  path: '/health/live',
  summary: 'Is the process alive?',
  area: 'operations',
  access: 'public',
  answers: { 200: { description: 'It is.', schema: z.object({ status: z.literal('live') }) } },
};

const ready: Operation = {
  method: 'GET',
  path: '/health/ready',
  summary: 'Should requests be sent here?',
  description:
    'With the reasons. Only an unreachable database says no; a chain that is behind or a queue that is gone only degrades.',
  area: 'operations',
  access: 'public',
  answers: {
    200: { description: 'Ready or degraded.', schema: standing },
    503: { description: 'Unready.', schema: standing },
  },
};

const metrics: Operation = {
  method: 'GET',
  path: '/metrics',
  summary: 'Figures for Prometheus',
  description: 'Without accounts, ids or amounts. Keep it inside your network all the same.',
  area: 'operations',
  access: 'public',
  answers: { 200: { description: 'Prometheus’ text form.', mediaType: 'text/plain', schema: z.string() } },
};

const document: Operation = {
  method: 'GET',
  path: '/openapi.json',
  summary: 'This document',
  area: 'operations',
  access: 'public',
  answers: { 200: { description: 'OpenAPI 3.1.', schema: z.record(z.string(), z.unknown()) } },
};

export const systemOperations = [live, ready, metrics, document];

@Controller()
export class OperationsController {
  constructor(
    private readonly readiness: Readiness,
    private readonly figures: Metrics,
    @Inject(API_DOCUMENT) private readonly api: Record<string, unknown>,
  ) {}

  @Serves(live)
  live() {
    return { status: 'live' };
  }

  @Serves(ready)
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const found = await this.readiness.look();
    void reply.code(found.status === 'unready' ? 503 : 200);
    return found;
  }

  @Serves(metrics)
  async metrics(@Res({ passthrough: true }) reply: FastifyReply) {
    void reply.type(this.figures.contentType);
    return this.figures.text();
  }

  @Serves(document)
  @Header('cache-control', 'no-cache')
  document() {
    return this.api;
  }
}
