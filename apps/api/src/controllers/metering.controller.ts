import { AGGREGATIONS, type Meter, quantityUnit } from '@core/metering';
import { Fault } from '@core/faults';
import { formatDecimal } from '@core/money';
import { Clock } from '@core/time';
import { ReadAccount } from '@features/accounts';
import { CreateMeter, ListEvents, ListMeters, MeterReader, type UsageEventView, UsageReader } from '@features/metering';
import { Body, Controller, Query, Res } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { idText, instantText, label, needs, PAGE, pageLimit, shown, time } from '../fields.js';

const meter = z.object({
  id: z.string(),
  name: z.string(),
  aggregation: z.enum(AGGREGATIONS),
  unit: z.string(),
  quantityUnit: z.string().describe('What its quantities count: a level meter of bytes counts byte-seconds.'),
  description: z.string().optional(),
});

const meterView = (each: Meter) => ({ ...each, quantityUnit: quantityUnit(each) });

const newMeter = z.strictObject({
  name: z.string().describe('The `type` of its events, e.g. api.calls.'),
  aggregation: z.enum(AGGREGATIONS).describe('count: events · sum: values · level: a level over time.'),
  unit: z.string().describe('What one event, value or level counts, e.g. call, second, byte.'),
  description: z.string().optional(),
});
type NewMeter = z.output<typeof newMeter>;

const usageQuery = z.strictObject({
  account: idText('acct'),
  meter: label(128).describe('Name or id of the meter.'),
  from: instantText,
  to: instantText.describe('Not in the range itself.'),
  window: z.enum(['hour', 'day', 'month']).optional().describe('Cuts the range into windows, in UTC.'),
});
type UsageQuery = z.output<typeof usageQuery>;

const eventsQuery = z.strictObject({
  account: idText('acct').optional(),
  meter: label(128).optional().describe('Name or id of the meter.'),
  limit: pageLimit,
  cursor: z.string().optional(),
});
type EventsQuery = z.output<typeof eventsQuery>;

const event = z.object({
  source: z.string(),
  id: z.string(),
  meter: z.string(),
  account: z.string(),
  time: shown.time,
  receivedAt: shown.time,
  value: shown.decimal.optional(),
  level: shown.decimal.optional(),
  resource: z.string().optional(),
  dimensions: z.record(z.string(), z.string()).optional(),
  payment: z.string().optional().describe('The payment it was sold by.'),
});

const eventView = ({ time: at, receivedAt, value, level, ...rest }: UsageEventView) => ({
  ...rest,
  time: time(at),
  receivedAt: time(receivedAt),
  ...(value === undefined ? {} : { value: formatDecimal(value) }),
  ...(level === undefined ? {} : { level: formatDecimal(level) }),
});

const listMeters: Operation = {
  method: 'GET',
  path: '/v1/meters',
  summary: 'List meters',
  area: 'catalogue',
  access: needs('read'),
  answers: { 200: { description: 'All meters, in order of name.', schema: z.object({ data: z.array(meter) }) } },
};

const createMeter: Operation = {
  method: 'POST',
  path: '/v1/meters',
  summary: 'Define a meter',
  description: 'Repeating it answers the meter of that name; a meter never changes.',
  area: 'catalogue',
  access: needs('manage'),
  body: newMeter,
  idempotency: 'repeatable',
  answers: {
    201: { description: 'A new meter.', schema: meter },
    200: { description: 'The meter as it was defined before.', schema: meter },
  },
};

const readUsage: Operation = {
  method: 'GET',
  path: '/v1/usage',
  summary: 'Usage of an account on a meter',
  description: 'Exact, counted when it is asked for. An open level counts up to now.',
  area: 'usage',
  access: needs('read'),
  query: usageQuery,
  answers: {
    200: {
      description: 'The total of the range and, if asked for, of each window in it.',
      schema: z.object({
        account: z.string(),
        meter: z.string(),
        unit: z.string(),
        from: shown.time,
        to: shown.time,
        total: shown.decimal,
        windows: z.array(z.object({ from: shown.time, to: shown.time, quantity: shown.decimal })).optional(),
      }),
    },
  },
};

const listEvents: Operation = {
  method: 'GET',
  path: '/v1/events',
  summary: 'List usage events',
  description: 'As they are kept, the last received first.',
  area: 'usage',
  access: needs('read'),
  query: eventsQuery,
  answers: { 200: { description: 'A page of events.', schema: z.object({ data: z.array(event), next: shown.next }) } },
};

export const meteringOperations = [listMeters, createMeter, readUsage, listEvents];

@Controller()
export class MeteringController {
  constructor(
    private readonly meters: ListMeters,
    private readonly defineMeter: CreateMeter,
    private readonly events: ListEvents,
    private readonly meterReader: MeterReader,
    private readonly usageReader: UsageReader,
    private readonly readAccount: ReadAccount,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  @Serves(listMeters)
  async listMeters(@By() caller: Caller) {
    return { data: (await this.meters.run({ provider: caller.provider })).map(meterView) };
  }

  @Serves(createMeter)
  async createMeter(@By() caller: Caller, @Body() body: NewMeter, @Res({ passthrough: true }) reply: FastifyReply) {
    const { outcome, meter: defined } = await this.defineMeter.run({ provider: caller.provider, ...body });
    void reply.code(outcome === 'created' ? 201 : 200);
    return meterView(defined);
  }

  @Serves(readUsage)
  async usage(@By() caller: Caller, @Query() { account, meter: name, from, to, window }: UsageQuery) {
    if (to <= from)
      throw new Fault('invalid_request', 'to must lie after from: the range is from (in it) to to (not in it).', {
        reason: 'empty_range',
      });
    const asOf = this.clock.now();
    return this.database.forProvider(caller.provider, async (tx) => {
      await this.readAccount.within(tx, account);
      const found = await this.meterReader.find(tx, name);
      if (!found) throw unknownMeter(name);
      const query = { account, meter: found, range: { start: from, end: to }, asOf };
      const total = await this.usageReader.total(tx, query);
      const windows = window === undefined ? undefined : await this.usageReader.windows(tx, { ...query, window });
      return {
        account,
        meter: found.name,
        unit: quantityUnit(found),
        from: time(from),
        to: time(to),
        total: formatDecimal(total),
        windows: windows?.map(({ period, quantity }) => ({
          from: time(period.start),
          to: time(period.end),
          quantity: formatDecimal(quantity),
        })),
      };
    });
  }

  @Serves(listEvents)
  async listEvents(@By() caller: Caller, @Query() { account, meter: name, limit, cursor }: EventsQuery) {
    const meters = await this.meters.run({ provider: caller.provider });
    const names = new Map(meters.map((each) => [each.id, each.name]));
    const wanted = name === undefined ? undefined : meters.find((each) => each.name === name || each.id === name);
    if (name !== undefined && !wanted) throw unknownMeter(name);
    const page = await this.events.run({
      provider: caller.provider,
      account,
      meter: wanted?.id,
      limit: limit ?? PAGE,
      cursor,
    });
    return {
      data: page.events.map((each) => ({ ...eventView(each), meter: names.get(each.meter) ?? each.meter })),
      next: page.next ?? null,
    };
  }
}

const unknownMeter = (name: string): Fault =>
  new Fault('not_found', `There is no meter "${name}". GET /v1/meters lists yours; POST /v1/meters defines one.`, {
    reason: 'unknown_meter',
  });
