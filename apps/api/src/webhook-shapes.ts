import { EVENT_TYPES, type WebhookEvent } from '@core/webhooks';
import type { Delivery, Endpoint } from '@features/webhooks';
import { z } from 'zod';
import { label, optionalTime, shown, time } from './fields.js';

/** What webhooks look like from outside. */

const url = z.string().max(2_048, 'must have at most 2048 characters').describe('https, port 443 or 8443.');
const description = label().describe('For people.');
const types = z
  .array(z.string())
  .min(1, 'must name at least one type, or *')
  .max(EVENT_TYPES.length + 1, 'names more types than there are')
  .describe('Types of events it wants; `*` for all there are and will be.');
const concurrency = z
  .int()
  .min(1, 'must be 1 or more')
  .max(4, 'must be at most 4')
  .describe('Most requests at once; 2 when absent.');

export const newEndpoint = z.strictObject({
  url,
  types,
  description: description.optional(),
  concurrency: concurrency.optional(),
});
export type NewEndpoint = z.output<typeof newEndpoint>;

export const endpointChange = z.strictObject({
  url: url.optional(),
  types: types.optional(),
  description: description.optional(),
  concurrency: concurrency.optional(),
  state: z
    .enum(['enabled', 'disabled'])
    .optional()
    .describe('A disabled endpoint is sent nothing: what is open waits, and what happens meanwhile is not for it.'),
});
export type ChangeOfEndpoint = z.output<typeof endpointChange>;

export const endpoint = z.object({
  id: z.string(),
  url: z.string(),
  description: z.string(),
  types: z.array(z.string()),
  concurrency: z.int(),
  state: z.enum(['enabled', 'disabled']),
  disabledBecause: z.enum(['asked', 'gone']).optional().describe('gone: the receiver answered 410.'),
  failures: z.int().describe('Failed attempts since the last that succeeded.'),
  pausedUntil: shown.time.optional().describe('Nothing is sent before, as too much failed.'),
  formerSecretUntil: shown.time.optional().describe('Messages are signed with the secret before as well.'),
  createdAt: shown.time,
});

export const endpointWithSecret = endpoint.extend({
  secret: z.string().describe('`whsec_…`: what a library of Standard Webhooks verifies with.'),
});

export const endpointView = ({ types: wanted, pausedUntil, formerSecretUntil, createdAt, ...rest }: Endpoint) => ({
  ...rest,
  types: [...wanted],
  pausedUntil: optionalTime(pausedUntil),
  formerSecretUntil: optionalTime(formerSecretUntil),
  createdAt: time(createdAt),
});

export const event = z.object({
  id: z.string().describe('The same in every delivery of it: keep it to know a repeat.'),
  type: z.string(),
  version: z.int().describe('Of the payload.'),
  timestamp: shown.time.describe('When it happened.'),
  object: z.object({
    id: z.string(),
    version: z
      .int()
      .describe('Grows with the object: order is not promised, so drop what is older than what you have.'),
  }),
  data: z.record(z.string(), z.unknown()),
});

/** As its receivers get it. */
export const eventView = ({ id, type, version, occurredAt, object, data }: WebhookEvent) => ({
  id,
  type,
  version,
  timestamp: time(occurredAt),
  object,
  data,
});

export const delivery = z.object({
  event: z.string(),
  type: z.string(),
  endpoint: z.string(),
  round: z.int().describe('1, and one more for each replay.'),
  state: z.enum(['pending', 'delivering', 'retrying', 'delivered', 'exhausted', 'replayed', 'cancelled']),
  nextAttemptAt: shown.time.optional(),
  createdAt: shown.time,
  endedAt: shown.time.optional(),
  attempts: z.array(
    z.object({
      attempt: z.int(),
      startedAt: shown.time,
      endedAt: shown.time.optional().describe('Absent: under way, or it is not known how it went.'),
      outcome: z
        .enum(['answered', 'refused', 'failed'])
        .optional()
        .describe('refused: nothing was connected to, as the URL leads where it may not.'),
      status: z.int().optional(),
      why: z.string().optional(),
    }),
  ),
});

export const deliveryView = (of: Delivery) => ({
  ...of,
  nextAttemptAt: optionalTime(of.nextAttemptAt),
  createdAt: time(of.createdAt),
  endedAt: optionalTime(of.endedAt),
  attempts: of.attempts.map((attempt) => ({
    ...attempt,
    startedAt: time(attempt.startedAt),
    endedAt: optionalTime(attempt.endedAt),
  })),
});

export const eventTypeShape = z.object({
  type: z.string(),
  version: z.int(),
  about: z.string(),
  schema: z.record(z.string(), z.unknown()).describe('JSON Schema of `data`.'),
  example: z.record(z.string(), z.unknown()).describe('A message as it is posted.'),
});
