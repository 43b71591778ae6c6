import { Fault } from '@core/faults';
import { quantityUnit } from '@core/metering';
import { formatDecimal } from '@core/money';
import { Clock, isZone } from '@core/time';
import { ReadAccount } from '@features/accounts';
import { ListStreams, MeterReader, USAGE_WINDOWS, UsageReader } from '@features/metering';
import { Controller, Query } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { idText, instantText, label, needs, PAGE, pageLimit, shown, time } from '../fields.js';
import { flag, unknownMeter } from './meters.controller.js';

const zone = z
  .string()
  .refine(isZone, 'must be a time zone of the IANA database, e.g. Europe/Berlin')
  .describe('IANA time zone in which windows are cut; UTC when absent.');

const usageQuery = z.strictObject({
  account: idText('acct'),
  meter: label(128).describe('Name or id of the meter.'),
  from: instantText,
  to: instantText.describe('Not in the range itself.'),
  window: z.enum(USAGE_WINDOWS).optional().describe('Cuts the range into windows.'),
  zone: zone.optional(),
  groupBy: z
    .union([label(64), z.array(label(64)).max(8, 'must name at most 8 dimensions')])
    .transform((given) => [given].flat())
    .optional()
    .describe('Dimensions the meter groups by; may be repeated.'),
  asOf: instantText.optional().describe('Until when an open level or run counts; now when absent, and no later.'),
});
type UsageQuery = z.output<typeof usageQuery>;

const readUsage: Operation = {
  method: 'GET',
  path: '/v1/usage',
  summary: 'Usage of an account on a meter',
  description:
    'Exact, seconds after the events were accepted. An open level or run counts up to now. Bounds lie on a quarter of an hour, or where a price or a meter’s rules change.',
  area: 'usage',
  access: needs('read'),
  query: usageQuery,
  answers: {
    200: {
      description: 'The total of the range and, if asked for, of each window and each group in it.',
      schema: z.object({
        account: z.string(),
        meter: z.string(),
        unit: z.string(),
        from: shown.time,
        to: shown.time,
        total: shown.decimal,
        windows: z.array(z.object({ from: shown.time, to: shown.time, quantity: shown.decimal })).optional(),
        groups: z
          .array(
            z.object({
              dimensions: z.record(z.string(), z.string().nullable()).describe('null: the events did not have it.'),
              quantity: shown.decimal,
            }),
          )
          .optional(),
        flags: z.array(flag).optional().describe('Duration meters: starts and stops that do not fit together.'),
      }),
    },
  },
};

const stream = z.object({
  stream: z.string(),
  source: z.string(),
  highest: z.int().describe('Highest number stored.'),
  completeThrough: z.int().describe('Every batch up to this one is stored.'),
  batches: z.int(),
  events: z.int(),
  missing: z
    .array(z.object({ from: z.int(), to: z.int() }))
    .describe('The first 100 runs of numbers that are not stored, both ends included.'),
  firstAt: shown.time,
  lastAt: shown.time,
});

const streamsQuery = z.strictObject({
  source: label().optional(),
  stream: z.uuid('must be a UUID').optional(),
  incomplete: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional()
    .describe('Only those with missing batches.'),
  limit: pageLimit,
  cursor: z.string().optional(),
});
type StreamsQuery = z.output<typeof streamsQuery>;

const listStreams: Operation = {
  method: 'GET',
  path: '/v1/streams',
  summary: 'List streams of batches',
  description: 'How far each sender’s numbered batches are complete, and which are missing.',
  area: 'usage',
  access: needs('read'),
  query: streamsQuery,
  answers: {
    200: {
      description: 'A page, the last heard of first.',
      schema: z.object({ data: z.array(stream), next: shown.next }),
    },
  },
};

export const usageOperations = [readUsage, listStreams];

@Controller()
export class UsageController {
  constructor(
    private readonly meters: MeterReader,
    private readonly usage: UsageReader,
    private readonly streams: ListStreams,
    private readonly readAccount: ReadAccount,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  @Serves(readUsage)
  async read(@By() caller: Caller, @Query() query: UsageQuery) {
    const { account, meter: name, from, to, window, groupBy } = query;
    if (to <= from)
      throw new Fault('invalid_request', 'to must lie after from: the range is from (in it) to to (not in it).', {
        reason: 'empty_range',
      });
    const now = this.clock.now();
    return this.database.forProvider(caller.provider, async (tx) => {
      await this.readAccount.within(tx, account);
      const meter = await this.meters.find(tx, name);
      if (!meter) throw unknownMeter(name);
      const asked = {
        account,
        meter,
        range: { start: from, end: to },
        asOf: query.asOf && query.asOf < now ? query.asOf : now,
      };
      const total = await this.usage.total(tx, asked);
      const windows = window && (await this.usage.windows(tx, { ...asked, window, zone: query.zone }));
      const groups = groupBy && (await this.usage.groups(tx, { ...asked, by: groupBy }));
      const flags = meter.aggregation === 'duration' ? await this.usage.flags(tx, asked) : undefined;
      return {
        account,
        meter: meter.name,
        unit: quantityUnit(meter),
        from: time(from),
        to: time(to),
        total: formatDecimal(total),
        windows: windows?.map(({ period, quantity }) => ({
          from: time(period.start),
          to: time(period.end),
          quantity: formatDecimal(quantity),
        })),
        groups: groups?.map(({ dimensions, quantity }) => ({ dimensions, quantity: formatDecimal(quantity) })),
        flags: flags?.map((each) => ({ ...each, time: time(each.time) })),
      };
    });
  }

  @Serves(listStreams)
  async list(@By() { provider }: Caller, @Query() { limit, ...filters }: StreamsQuery) {
    const page = await this.streams.run({ provider, ...filters, limit: limit ?? PAGE });
    const data = page.streams.map(({ firstAt, lastAt, ...rest }) => ({
      ...rest,
      firstAt: time(firstAt),
      lastAt: time(lastAt),
    }));
    return { data, next: page.next ?? null };
  }
}
