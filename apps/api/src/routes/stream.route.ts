import { MOST_BATCH_EVENTS } from '@core/metering';
import type { Clock } from '@core/time';
import type { IngestBatch } from '@features/metering';
import type { StreamBatch, StreamResult } from '@farebox/metering';
import { bytesOf, callerOf, type HotRoute, MEBIBYTE, type Operation } from '@platform/http';
import type { Metrics } from '@platform/telemetry';
import { z } from 'zod';
import { needs } from '../fields.js';

const cell = z.union([z.int(), z.string(), z.null()]);
const cells = z.array(cell).optional();
const places = z.array(z.int().nullable()).optional();

/** For the document: core reads it, from the bytes. */
const batch = z.strictObject({
  stream: z.uuid().describe('One sequence of batches: a client’s, or a spool’s. Lower case.'),
  source: z.string().describe('Who observed the usage, as in CloudEvents.'),
  seq: z.int().positive().describe('1, 2, 3 … within the stream.'),
  t0: z.int().describe('Milliseconds since 1970, the base of all times.'),
  types: z.array(z.string()).describe('Dictionary of event types.'),
  accounts: z.array(z.string()).describe('Dictionary of accounts: ids, names or wallets.'),
  resources: z.array(z.string()).optional(),
  dimensions: z.array(z.record(z.string(), z.string())).optional().describe('Dictionary of whole sets of labels.'),
  columns: z
    .strictObject({
      type: z.array(z.int()).describe('Index into types.'),
      account: z.array(z.int()).describe('Index into accounts.'),
      time: z.array(z.int()).describe('Milliseconds after t0.'),
      value: cells.describe('null, a whole number, or a plain decimal in a string.'),
      level: cells,
      delta: cells,
      action: z.array(z.enum(['start', 'stop', 'resize', 'heartbeat']).nullable()).optional(),
      weight: cells,
      cost: cells,
      resource: places.describe('null, or an index into resources.'),
      dimensions: places.describe('null, or an index into dimensions.'),
    })
    .describe(`Arrays of one length, 1 to ${MOST_BATCH_EVENTS}. A column that no event uses is left out.`),
});

const answered = z.object({
  stream: z.string(),
  seq: z.int(),
  outcome: z.enum(['stored', 'duplicate']).describe('duplicate: it was stored before; the rest is as it was answered.'),
  accepted: z.int(),
  held: z.int(),
  rejected: z.int(),
  items: z
    .array(z.object({ index: z.int(), verdict: z.enum(['held', 'rejected']), reason: z.string(), message: z.string() }))
    .describe('The events that were not accepted.'),
  completeThrough: z.int().describe('Every batch of the stream up to this one is stored.'),
});

// What the published package sends has to fit what is described here.
const fits = (sent: StreamBatch): object =>
  sent satisfies Pick<z.input<typeof batch>, 'stream' | 'source' | 'seq' | 't0'>;
void fits;

const ingest: Operation = {
  method: 'POST',
  path: '/v1/events/stream',
  summary: 'Record usage: a numbered batch of a stream',
  description:
    'What @farebox/metering sends. A batch is immutable and sent again byte for byte until it is answered; it counts once, by its stream and number. ' +
    'The id of its event i is `<stream>.<seq>.<i>`. Other bytes under a number that is stored are refused (409, sequence_reused).',
  area: 'usage',
  access: needs('ingest'),
  raw: true,
  body: batch,
  bodyLimit: MEBIBYTE,
  answers: { 200: { description: 'It is stored.', schema: answered } },
};

export const streamOperations = [ingest];

export const streamRoutes = (batches: IngestBatch, clock: Clock, metrics: Metrics): HotRoute[] => [
  {
    operation: ingest,
    answer: (request): Promise<StreamResult> =>
      metrics.usageCall(
        'stream',
        async () => {
          const { provider } = callerOf(request);
          const answer = await batches.run({ provider, body: bytesOf(request), now: clock.now() });
          if (answer.outcome === 'duplicate') metrics.usageEvents('stream', 'duplicate', answer.accepted);
          else
            for (const kind of ['accepted', 'held', 'rejected'] as const)
              metrics.usageEvents('stream', kind, answer[kind]);
          return answer;
        },
        ({ outcome }) => outcome,
      ),
  },
];
