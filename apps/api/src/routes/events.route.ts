import type { SentEvent } from '@core/metering';
import type { Clock } from '@core/time';
import type { EventVerdict as StoredVerdict, IngestResult as Ingested, IngestUsage } from '@features/metering';
import type { EventVerdict, IngestResult, UsageEvent } from '@farebox/metering';
import { callerOf, type HotRoute, MEBIBYTE, type Operation } from '@platform/http';
import type { Metrics } from '@platform/telemetry';
import { z } from 'zod';
import { needs } from '../fields.js';

const data = z.strictObject({
  value: z
    .string('must be a decimal in a string, e.g. "1.25"')
    .optional()
    .describe('For sum meters: how much, a plain decimal.'),
  level: z
    .string('must be a decimal in a string, e.g. "1048576"')
    .optional()
    .describe('For level meters: the absolute level from this instant on.'),
  resource: z.string().optional().describe('For level meters: which thing has the level.'),
  dimensions: z.record(z.string(), z.string()).optional().describe('Your own labels.'),
});

/** One usage event, CloudEvents 1.0 in JSON. Further attributes of CloudEvents are allowed and not kept. */
const event = z.looseObject({
  specversion: z.literal('1.0'),
  id: z.string().describe('Unique within source; the same through every retry.'),
  source: z.string().describe('Who observed the usage, a URI reference.'),
  type: z.string().describe('Name of the meter.'),
  subject: z.string().describe('The account: its id, its name, or a wallet of it.'),
  time: z.string().optional().describe('When it took place, RFC 3339; absent: now.'),
  datacontenttype: z.literal('application/json').optional(),
  data: data.nullish(),
});

// What the published package sends has to fit what is read here.
const fits = (sent: UsageEvent): z.input<typeof event> => ({ ...sent });
void fits;

const described = z.toJSONSchema(event, { io: 'input' });

const verdict = z.object({
  source: z.string(),
  id: z.string(),
  verdict: z.enum(['accepted', 'duplicate', 'conflict', 'rejected']),
  reason: z.string().optional(),
  message: z.string().optional(),
});

const ingest: Operation = {
  method: 'POST',
  path: '/v1/events',
  summary: 'Record usage',
  description:
    'CloudEvents 1.0, one or a batch of at most 1,000. Every event gets a verdict of its own, in order; a faulty one does not hold up the others. ' +
    'Sending an event again with the same source and id counts once.',
  area: 'usage',
  access: needs('ingest'),
  bodyLimit: 4 * MEBIBYTE,
  mediaTypes: ['application/cloudevents+json', 'application/cloudevents-batch+json', 'application/json'],
  // The events in it are read one by one, so that each gets its verdict.
  body: z
    .custom<object>((value) => typeof value === 'object' && value !== null, 'must be an event or an array of events')
    .meta({ oneOf: [described, { type: 'array', items: described, maxItems: 1000 }] }),
  answers: {
    200: {
      description: 'What became of each event.',
      schema: z.object({
        accepted: z.int(),
        duplicate: z.int(),
        conflict: z.int(),
        rejected: z.int(),
        verdicts: z.array(verdict),
      }),
    },
  },
};

export const eventOperations = [ingest];

export const eventRoutes = (usage: IngestUsage, clock: Clock, metrics: Metrics): HotRoute[] => [
  {
    operation: ingest,
    answer: async (request): Promise<IngestResult> => {
      const sent: unknown[] = Array.isArray(request.body) ? request.body : [request.body];
      const read = sent.map(readEvent);
      const result = await usage.run({
        provider: callerOf(request).provider,
        events: read.flatMap((each) => ('event' in each ? [each.event] : [])),
        now: clock.now(),
      });
      const answer = withUnreadable(read, result);
      for (const kind of ['accepted', 'duplicate', 'conflict', 'rejected'] as const)
        metrics.usageEvents(kind, answer[kind]);
      return answer;
    },
  },
];

type Read = { readonly event: SentEvent } | { readonly verdict: EventVerdict };

function readEvent(sent: unknown): Read {
  const parsed = event.safeParse(sent);
  if (parsed.success) return { event: parsed.data };
  const said = parsed.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'the event'}: ${issue.message}`);
  const text = (name: string): string => {
    const value: unknown = typeof sent === 'object' && sent !== null ? Reflect.get(sent, name) : undefined;
    return typeof value === 'string' ? value.slice(0, 256) : '';
  };
  const message = `Not a usage event that can be read; ${said.join('; ')}. Mend it and send it again.`;
  return { verdict: { source: text('source'), id: text('id'), verdict: 'rejected', reason: 'invalid_event', message } };
}

/** Puts the verdicts of events that could not be read back into their places. */
function withUnreadable(read: readonly Read[], result: Ingested): IngestResult {
  const stored = result.verdicts[Symbol.iterator]();
  const verdicts = read.flatMap((each): (EventVerdict | StoredVerdict)[] => {
    if ('verdict' in each) return [each.verdict];
    const next = stored.next();
    return next.done ? [] : [next.value];
  });
  const unreadable = read.filter((each) => 'verdict' in each).length;
  return { ...result, rejected: result.rejected + unreadable, verdicts };
}
