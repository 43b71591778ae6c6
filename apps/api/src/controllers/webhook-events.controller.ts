import { instant } from '@core/time';
import { bodyOf, EVENT_TYPES, eventKind, type EventType } from '@core/webhooks';
import { ReplayEvent, WebhooksReader } from '@features/webhooks';
import { Controller, Param, Query, Res } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { idText, needs, PAGE, pageLimit, shown } from '../fields.js';
import { delivery, deliveryView, event, eventTypeShape, eventView } from '../webhook-shapes.js';

// What happened, and what can happen.

const path = z.strictObject({ id: idText('evt') });
type Path = z.output<typeof path>;

const eventQuery = z.strictObject({
  limit: pageLimit,
  cursor: idText('evt').optional(),
  type: z.string().max(64, 'must have at most 64 characters').optional().describe('Of this type alone.'),
});
type EventQuery = z.output<typeof eventQuery>;

const list: Operation = {
  method: 'GET',
  path: '/v1/webhook-events',
  summary: 'What happened',
  description: 'Newest first, whether an endpoint was told or not.',
  area: 'webhooks',
  access: needs('manage'),
  query: eventQuery,
  answers: {
    200: { description: 'A page.', schema: z.object({ data: z.array(event), next: shown.next }) },
  },
};

const replayQuery = z.strictObject({
  endpoint: idText('whe')
    .optional()
    .describe('To this one, whatever it wants. Absent: to all that are enabled and want it.'),
});
type ReplayQuery = z.output<typeof replayQuery>;

const replay: Operation = {
  method: 'POST',
  path: '/v1/webhook-events/:id/replay',
  summary: 'Deliver an event again',
  description:
    'Under its id, with ten new attempts. Where a delivery of it is open, that one goes on: asking again changes nothing.',
  area: 'webhooks',
  access: needs('manage'),
  params: path,
  query: replayQuery,
  idempotency: 'repeatable',
  answers: {
    202: { description: 'All deliveries of the event.', schema: z.object({ data: z.array(delivery) }) },
  },
};

/** A message of each type, as its receivers get it. */
function exampleOf(type: EventType): unknown {
  const { version, of, example } = eventKind(type);
  const body = bodyOf({
    id: 'evt_0193f0c2a4b27c3d8e9f0a1b2c3d4e5f',
    type,
    version,
    object: { id: String(example[of]), version: 1 },
    data: example,
    occurredAt: instant(Date.UTC(2026, 10, 21, 8)),
  });
  return JSON.parse(body);
}

const CATALOGUE = EVENT_TYPES.map((type) => ({
  type,
  version: eventKind(type).version,
  about: eventKind(type).about,
  schema: z.toJSONSchema(eventKind(type).data, { io: 'input' }),
  example: exampleOf(type),
}));

const catalogue: Operation = {
  method: 'GET',
  path: '/v1/webhook-event-types',
  summary: 'What you can be told',
  description: `Every type of event, with its schema and an example:\n\n${CATALOGUE.map(
    ({ type, about }) => `- \`${type}\`: ${about}`,
  ).join('\n')}`,
  area: 'webhooks',
  access: 'public',
  answers: { 200: { description: 'All types.', schema: z.object({ data: z.array(eventTypeShape) }) } },
};

export const webhookEventOperations = [list, replay, catalogue];

@Controller()
export class WebhookEventsController {
  constructor(
    private readonly reader: WebhooksReader,
    private readonly replayEvent: ReplayEvent,
  ) {}

  @Serves(list)
  async list(@By() { provider }: Caller, @Query() { limit = PAGE, cursor, type }: EventQuery) {
    const data = await this.reader.events(provider, { limit, before: cursor, type });
    return { data: data.map(eventView), next: data.length < limit ? null : (data.at(-1)?.id ?? null) };
  }

  @Serves(replay)
  async replay(
    @By() { provider }: Caller,
    @Param() { id }: Path,
    @Query() { endpoint }: ReplayQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const data = await this.replayEvent.run({ provider, event: id, endpoint });
    void reply.code(202);
    return { data: data.map(deliveryView) };
  }

  @Serves(catalogue)
  catalogue() {
    return { data: CATALOGUE };
  }
}
