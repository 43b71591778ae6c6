import {
  ChangeEndpoint,
  CreateEndpoint,
  RemoveEndpoint,
  RotateSecret,
  TestEndpoint,
  WebhooksReader,
} from '@features/webhooks';
import { Body, Controller, Param, Query, Res } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { idText, needs, PAGE, pageLimit, shown } from '../fields.js';
import {
  type ChangeOfEndpoint,
  delivery,
  deliveryView,
  endpoint,
  endpointChange,
  endpointView,
  endpointWithSecret,
  newEndpoint,
  type NewEndpoint,
} from '../webhook-shapes.js';

// Where a provider is told what happened.

const path = z.strictObject({ id: idText('whe') });
type Path = z.output<typeof path>;

const list: Operation = {
  method: 'GET',
  path: '/v1/webhook-endpoints',
  summary: 'List webhook endpoints',
  area: 'webhooks',
  access: needs('manage'),
  answers: { 200: { description: 'Oldest first.', schema: z.object({ data: z.array(endpoint) }) } },
};

const create: Operation = {
  method: 'POST',
  path: '/v1/webhook-endpoints',
  summary: 'Make a webhook endpoint',
  description:
    'Messages are signed as Standard Webhooks says. The answer shows the secret once, in `secret`; a repeat with the same Idempotency-Key does not show it again.',
  area: 'webhooks',
  access: needs('manage'),
  body: newEndpoint,
  idempotency: 'once',
  answers: { 201: { description: 'The endpoint, and its secret for the only time.', schema: endpointWithSecret } },
};

const read: Operation = {
  method: 'GET',
  path: '/v1/webhook-endpoints/:id',
  summary: 'Read a webhook endpoint',
  area: 'webhooks',
  access: needs('manage'),
  params: path,
  answers: { 200: { description: 'The endpoint.', schema: endpoint } },
};

const change: Operation = {
  method: 'PATCH',
  path: '/v1/webhook-endpoints/:id',
  summary: 'Change, disable or enable a webhook endpoint',
  area: 'webhooks',
  access: needs('manage'),
  params: path,
  body: endpointChange,
  idempotency: 'repeatable',
  answers: { 200: { description: 'As it is now.', schema: endpoint } },
};

const remove: Operation = {
  method: 'DELETE',
  path: '/v1/webhook-endpoints/:id',
  summary: 'Remove a webhook endpoint',
  description: 'What was to be delivered to it is cancelled.',
  area: 'webhooks',
  access: needs('manage'),
  params: path,
  idempotency: 'repeatable',
  answers: { 204: { description: 'It is gone.' } },
};

const rotate: Operation = {
  method: 'POST',
  path: '/v1/webhook-endpoints/:id/rotate-secret',
  summary: 'Give a webhook endpoint a new secret',
  description:
    'For 24 hours messages are signed with both, the new one and the one before. Done again within them, the oldest is over at once.',
  area: 'webhooks',
  access: needs('manage'),
  params: path,
  idempotency: 'once',
  answers: { 200: { description: 'With the new secret, for the only time.', schema: endpointWithSecret } },
};

const test: Operation = {
  method: 'POST',
  path: '/v1/webhook-endpoints/:id/test',
  summary: 'Send a webhook endpoint a test',
  area: 'webhooks',
  access: needs('manage'),
  params: path,
  idempotency: 'once',
  answers: {
    202: {
      description: 'An event of type endpoint.test is on its way: look at the deliveries.',
      schema: z.object({ event: z.string() }),
    },
  },
};

const deliveryQuery = z.strictObject({ limit: pageLimit, cursor: idText('evt').optional() });
type DeliveryQuery = z.output<typeof deliveryQuery>;

const deliveries: Operation = {
  method: 'GET',
  path: '/v1/webhook-endpoints/:id/deliveries',
  summary: 'What was sent to a webhook endpoint, and how it went',
  area: 'webhooks',
  access: needs('manage'),
  params: path,
  query: deliveryQuery,
  answers: {
    200: {
      description: 'Of the newest events first; the limit counts events.',
      schema: z.object({ data: z.array(delivery), next: shown.next }),
    },
  },
};

export const webhookEndpointOperations = [list, create, read, change, remove, rotate, test, deliveries];

@Controller()
export class WebhookEndpointsController {
  constructor(
    private readonly reader: WebhooksReader,
    private readonly createEndpoint: CreateEndpoint,
    private readonly changeEndpoint: ChangeEndpoint,
    private readonly removeEndpoint: RemoveEndpoint,
    private readonly rotateSecret: RotateSecret,
    private readonly testEndpoint: TestEndpoint,
  ) {}

  @Serves(list)
  async list(@By() { provider }: Caller) {
    return { data: (await this.reader.endpoints(provider)).map(endpointView) };
  }

  @Serves(create)
  async create(@By() { provider }: Caller, @Body() body: NewEndpoint) {
    const made = await this.createEndpoint.run({ provider, ...body });
    return { ...endpointView(made.endpoint), secret: made.secret };
  }

  @Serves(read)
  async read(@By() { provider }: Caller, @Param() { id }: Path) {
    return endpointView(await this.reader.endpoint(provider, id));
  }

  @Serves(change)
  async change(@By() { provider }: Caller, @Param() { id }: Path, @Body() to: ChangeOfEndpoint) {
    return endpointView(await this.changeEndpoint.run({ provider, endpoint: id, to }));
  }

  @Serves(remove)
  async remove(@By() { provider }: Caller, @Param() { id }: Path, @Res({ passthrough: true }) reply: FastifyReply) {
    await this.removeEndpoint.run({ provider, endpoint: id });
    void reply.code(204);
  }

  @Serves(rotate)
  async rotate(@By() { provider }: Caller, @Param() { id }: Path, @Res({ passthrough: true }) reply: FastifyReply) {
    const rotated = await this.rotateSecret.run({ provider, endpoint: id });
    void reply.code(200);
    return { ...endpointView(rotated.endpoint), secret: rotated.secret };
  }

  @Serves(test)
  async test(@By() { provider }: Caller, @Param() { id }: Path, @Res({ passthrough: true }) reply: FastifyReply) {
    const event = await this.testEndpoint.run({ provider, endpoint: id });
    void reply.code(202);
    return { event };
  }

  @Serves(deliveries)
  async deliveries(
    @By() { provider }: Caller,
    @Param() { id }: Path,
    @Query() { limit = PAGE, cursor }: DeliveryQuery,
  ) {
    const data = await this.reader.deliveries(provider, id, { limit, before: cursor });
    const events = new Set(data.map(({ event }) => event));
    return { data: data.map(deliveryView), next: events.size < limit ? null : (data.at(-1)?.event ?? null) };
  }
}
