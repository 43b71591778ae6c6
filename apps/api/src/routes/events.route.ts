import type { Clock } from '@core/time';
import { type EventVerdict, type IngestUsage, MOST_EVENTS } from '@features/metering';
import { callerOf, type HotRoute, MEBIBYTE, type Operation } from '@platform/http';
import type { Metrics } from '@platform/telemetry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { EVENT_TYPES, eventsBody, eventVerdict, readable, readEvents, verdictsInOrder } from '../event-shapes.js';
import { needs } from '../fields.js';

const ingest: Operation = {
  method: 'POST',
  path: '/v1/events',
  summary: 'Record usage',
  description:
    `CloudEvents 1.0, one or a batch of at most ${MOST_EVENTS}. Every event gets a verdict of its own, in order; a faulty one does not hold up the others. ` +
    'Sending an event again with the same source and id counts once. With `Prefer: respond-async` the answer ' +
    'names only the events that are not kept, or held; repeats of what is kept are passed over.',
  area: 'usage',
  access: needs('ingest'),
  bodyLimit: 4 * MEBIBYTE,
  mediaTypes: EVENT_TYPES,
  body: eventsBody(MOST_EVENTS),
  answers: {
    200: {
      description: 'What became of each event.',
      schema: z.object({
        accepted: z.int(),
        duplicate: z.int(),
        conflict: z.int(),
        held: z.int(),
        rejected: z.int(),
        verdicts: z.array(eventVerdict),
      }),
    },
    202: {
      description: 'To `Prefer: respond-async`: the other events are kept.',
      schema: z.object({
        received: z.int().describe('How many are kept, by this call or an earlier one.'),
        rejected: z.array(eventVerdict).describe('Those that are not, and those that are held.'),
      }),
    },
  },
};

export const eventOperations = [ingest];

const KINDS = ['accepted', 'duplicate', 'conflict', 'held', 'rejected'] as const;

export const eventRoutes = (usage: IngestUsage, clock: Clock, metrics: Metrics): HotRoute[] => {
  const withVerdicts = async (request: FastifyRequest) => {
    const read = readEvents(request.body);
    const input = { provider: callerOf(request).provider, events: readable(read), now: clock.now() };
    const result = await usage.run(input);
    const unreadable = read.length - input.events.length;
    const answer = {
      ...result,
      rejected: result.rejected + unreadable,
      verdicts: verdictsInOrder(read, result.verdicts),
    };
    for (const kind of KINDS) metrics.usageEvents('open', kind, answer[kind]);
    return answer;
  };
  const withoutVerdicts = async (request: FastifyRequest, reply: FastifyReply) => {
    const read = readEvents(request.body);
    const input = { provider: callerOf(request).provider, events: readable(read), now: clock.now() };
    const result = await usage.accept(input);
    const unreadable = read.flatMap((each) => ('verdict' in each ? [each.verdict] : []));
    const of = (kind: EventVerdict['verdict']) => result.rejected.filter(({ verdict }) => verdict === kind).length;
    const [held, conflict] = [of('held'), of('conflict')];
    metrics.usageEvents('open', 'held', held);
    metrics.usageEvents('open', 'conflict', conflict);
    metrics.usageEvents('open', 'duplicate', result.duplicate);
    metrics.usageEvents('open', 'accepted', result.received - held - result.duplicate);
    metrics.usageEvents('open', 'rejected', read.length - result.received - conflict);
    void reply.code(202).header('preference-applied', 'respond-async');
    return { received: result.received, rejected: [...unreadable, ...result.rejected] };
  };
  return [
    {
      operation: ingest,
      answer: (request, reply) =>
        prefersLater(request)
          ? metrics.usageCall(
              'open',
              () => withoutVerdicts(request, reply),
              () => 'received',
            )
          : metrics.usageCall(
              'open',
              () => withVerdicts(request),
              () => 'stored',
            ),
    },
  ];
};

/** RFC 7240: preferences are separated by commas, may come in several headers, and unknown ones are passed over. */
const prefersLater = ({ headers: { prefer } }: FastifyRequest): boolean =>
  prefer !== undefined && /(?:^|,)\s*respond-async\s*(?:[,;]|$)/i.test([prefer].flat().join(','));
