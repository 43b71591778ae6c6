import { paymentRequirementsSchema } from '@core/x402';
import type { Payments } from '@features/payments';
import { bodyOf, callerOf, type HotRoute, type Operation } from '@platform/http';
import { z } from 'zod';
import { idText, needs, PAGE, pageLimit, shown, time } from '../fields.js';

/** As the protocol bounds it: printable ASCII. */
const shortText = z.string().regex(/^[\x20-\x7e]{1,32}$/, 'must be 1 to 32 printable ASCII characters');

const published = z.object({
  id: z.string(),
  method: z.string(),
  url: z.string(),
  meter: z.string(),
  quantity: shown.decimal,
  description: z.string().optional(),
  mimeType: z.string().optional(),
  serviceName: z.string().optional(),
  tags: z.array(z.string()),
  updatedAt: shown.time,
});

const toPublish = z.strictObject({
  method: z.string().describe('HTTP method, upper case.'),
  url: z.string().describe('Absolute URL where agents buy it, or mcp://tool/<name>.'),
  meter: z.string().describe('Name of the meter it is sold by.'),
  quantity: z.string('must be a decimal in a string').optional().describe('Units one request uses; "1" when absent.'),
  description: z.string().max(200, 'must have at most 200 characters').optional(),
  mimeType: z.string().max(100, 'must have at most 100 characters').optional(),
  serviceName: shortText.optional(),
  tags: z.array(shortText).max(5, 'must have at most 5 entries').optional(),
});

const publish: Operation = {
  method: 'PUT',
  path: '/v1/resources',
  summary: 'Publish a priced resource',
  description:
    'Lists it at /x402/discovery/resources, where agents look for what they can buy. Publishing the same method and URL again replaces what was said.',
  area: 'facilitator',
  access: needs('manage'),
  body: toPublish,
  answers: {
    201: { description: 'It is listed.', schema: published },
    200: { description: 'It was listed before and is now listed like this.', schema: published },
  },
};

const page = z.strictObject({ limit: pageLimit, cursor: idText('rsc').optional() });

const list: Operation = {
  method: 'GET',
  path: '/v1/resources',
  summary: 'List published resources',
  area: 'facilitator',
  access: needs('read'),
  query: page,
  answers: {
    200: { description: 'A page.', schema: z.object({ data: z.array(published), next: shown.next }) },
  },
};

const path = z.strictObject({ id: idText('rsc') });

const withdraw: Operation = {
  method: 'DELETE',
  path: '/v1/resources/:id',
  summary: 'Withdraw a published resource',
  description: 'It is no longer listed. It can be bought as before.',
  area: 'facilitator',
  access: needs('manage'),
  params: path,
  answers: { 204: { description: 'It is not listed any more.' } },
};

const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be from ${least} to ${most}`);

const search = z.strictObject({
  type: z.enum(['http', 'mcp']).optional(),
  payTo: z.string().max(64).optional().describe('Wallet of a provider.'),
  scheme: z.string().max(64).optional(),
  network: z.string().max(64).optional().describe('CAIP-2.'),
  limit: whole(1, 100).optional().describe('1 to 100; 20 when absent.'),
  offset: whole(0, 1_000_000).optional(),
});

const discover: Operation = {
  method: 'GET',
  path: '/x402/discovery/resources',
  summary: 'What can be bought here',
  description: 'The facilitator’s discovery of x402: resources that providers publish, with the offers of the moment.',
  area: 'facilitator',
  access: 'public',
  perMinute: 600,
  query: search,
  answers: {
    200: {
      description: 'A page of resources, those published last first.',
      schema: z.object({
        x402Version: z.literal(2),
        items: z.array(
          z.object({
            resource: z.string(),
            type: z.enum(['http', 'mcp']),
            x402Version: z.literal(2),
            accepts: z.array(paymentRequirementsSchema),
            lastUpdated: shown.time,
            description: z.string().optional(),
            mimeType: z.string().optional(),
            serviceName: z.string().optional(),
            tags: z.array(z.string()).optional(),
          }),
        ),
        pagination: z.object({ limit: z.int(), offset: z.int(), total: z.int() }),
      }),
    },
  },
};

export const resourceOperations = [publish, list, withdraw, discover];

export const resourceRoutes = (
  payments: Pick<Payments, 'publish' | 'published' | 'withdraw' | 'discover'>,
): HotRoute[] => [
  {
    operation: publish,
    answer: async (request, reply) => {
      const { created, resource } = await payments.publish.run(callerOf(request).provider, bodyOf(toPublish, request));
      void reply.code(created ? 201 : 200);
      return { ...resource, updatedAt: time(resource.updatedAt) };
    },
  },
  {
    operation: list,
    answer: async (request) => {
      const { limit, cursor } = request.query as z.output<typeof page>;
      const { resources, next } = await payments.published.run({
        provider: callerOf(request).provider,
        after: cursor,
        limit: limit ?? PAGE,
      });
      const data = resources.map((resource) => ({ ...resource, updatedAt: time(resource.updatedAt) }));
      return { data, next: next ?? null };
    },
  },
  {
    operation: withdraw,
    answer: async (request, reply) => {
      const { id } = request.params as z.output<typeof path>;
      await payments.withdraw.run({ provider: callerOf(request).provider, resource: id });
      void reply.code(204);
    },
  },
  {
    operation: discover,
    answer: (request) => payments.discover.run(request.query as z.output<typeof search>),
  },
];
