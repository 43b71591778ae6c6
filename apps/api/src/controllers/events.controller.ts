import type { LoggedEvent } from '@core/metering';
import { Clock } from '@core/time';
import {
  AmendEvent,
  ENTRY_KINDS,
  type EventVersion,
  ListEvents,
  ListMeters,
  ReadEvent,
  type UsageEventView,
  VoidEvent,
} from '@features/metering';
import { Body, Controller, Param, Query } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { eventData } from '../event-shapes.js';
import { eventCursor, idText, label, needs, PAGE, pageLimit, shown, time } from '../fields.js';

const facts = {
  source: z.string(),
  id: z.string(),
  type: z.string(),
  subject: z.string(),
  time: shown.time,
  value: shown.decimal.optional(),
  level: shown.decimal.optional(),
  delta: shown.decimal.optional(),
  action: z.string().optional(),
  weight: shown.decimal.optional(),
  cost: shown.decimal.optional(),
  resource: z.string().optional(),
  dimensions: z.record(z.string(), z.string()).optional(),
};

const stored = z.object({
  ...facts,
  receipt: z.string().describe('Its place in the order of receipt.'),
  kind: z.enum(ENTRY_KINDS).describe('How it came in; sold: through the gate; change: with a backfill.'),
  state: z.enum(['counted', 'pending', 'held', 'voided', 'discarded']),
  account: z.string().optional().describe('Absent while its subject is unknown.'),
  meters: z.array(z.string()).describe('Names of the meters that hear its type.'),
  receivedAt: shown.time,
  amended: z.boolean(),
  held: z.string().optional().describe('Why it is, or was, held.'),
  payment: z.string().optional().describe('The payment it was sold by.'),
});

const version = z.object({
  revision: z.int().describe('0 is what was received.'),
  action: z.enum(['received', 'void', 'amend', 'restore']),
  event: z.object(facts).optional().describe('Absent where the version voids it.'),
  reason: z.string().optional(),
  backfill: z.string().optional(),
  at: shown.time,
});

const factsOf = ({ timeStated: _, time: at, ...rest }: LoggedEvent) => ({ ...rest, time: time(at) });

const versionOf = ({ event, at, ...rest }: EventVersion) => ({
  ...rest,
  at: time(at),
  ...(event === undefined ? {} : { event: factsOf(event) }),
});

const path = z.strictObject({ id: z.string().min(1).max(256) });
type Path = z.output<typeof path>;

const sourceText = z.string().min(1, 'must not be empty').max(256, 'must have at most 256 characters');
const reasonText = label(500).optional().describe('Kept with the correction.');

const listQuery = z.strictObject({
  account: idText('acct').optional(),
  type: z.string().max(256, 'must have at most 256 characters').optional(),
  meter: label(128).optional().describe('Name or id of a meter: events of the type it hears, and what was sold by it.'),
  kind: z.enum(ENTRY_KINDS).optional(),
  limit: pageLimit,
  cursor: eventCursor,
});
type ListQuery = z.output<typeof listQuery>;

const list: Operation = {
  method: 'GET',
  path: '/v1/events',
  summary: 'List usage events',
  description:
    'As they are kept, each in its current version, the last received first. A page may be short and still have a next one.',
  area: 'usage',
  access: needs('read'),
  query: listQuery,
  answers: { 200: { description: 'A page of events.', schema: z.object({ data: z.array(stored), next: shown.next }) } },
};

const readQuery = z.strictObject({ source: sourceText.describe('With the id, the identity of the event.') });

const read: Operation = {
  method: 'GET',
  path: '/v1/events/:id',
  summary: 'Read a usage event',
  description: 'With all its versions. The id of event i of a stream’s batch is `<stream>.<seq>.<i>`.',
  area: 'usage',
  access: needs('read'),
  params: path,
  query: readQuery,
  answers: {
    200: { description: 'The event.', schema: z.object({ event: stored, versions: z.array(version) }) },
  },
};

const voidBody = z.strictObject({ source: sourceText, reason: reasonText });
type VoidBody = z.output<typeof voidBody>;

const voidEvent: Operation = {
  method: 'POST',
  path: '/v1/events/:id/void',
  summary: 'Void a usage event',
  description:
    'It stops counting and stays readable; what it was charged is taken back, in the open period when its own is closed. Repeating it changes nothing.',
  area: 'usage',
  access: needs('manage'),
  params: path,
  body: voidBody,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'It does not count. discarded: it was held and never did.',
      schema: z.object({
        outcome: z.enum(['voided', 'already_voided', 'discarded', 'already_discarded']),
        event: stored,
      }),
    },
  },
};

const amendBody = z.strictObject({
  source: sourceText,
  type: z.string().max(256, 'must have at most 256 characters').optional(),
  time: z.string().optional().describe('RFC 3339.'),
  data: eventData.nullish().describe('Replaces the data as a whole.'),
  reason: reasonText,
});
type AmendBody = z.output<typeof amendBody>;

const amend: Operation = {
  method: 'POST',
  path: '/v1/events/:id/amend',
  summary: 'Amend a usage event',
  description:
    'A new version counts in place of the present one, with the same identity and account; what is left out stays as it is. ' +
    'Charges follow, in the open period when the event’s own is closed.',
  area: 'usage',
  access: needs('manage'),
  params: path,
  body: amendBody,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'The event as it counts now.',
      schema: z.object({ outcome: z.enum(['amended', 'unchanged']), event: stored }),
    },
  },
};

export const storedEventOperations = [list, read, voidEvent, amend];

@Controller()
export class EventsController {
  constructor(
    private readonly events: ListEvents,
    private readonly readEvent: ReadEvent,
    private readonly voids: VoidEvent,
    private readonly amends: AmendEvent,
    private readonly meters: ListMeters,
    private readonly clock: Clock,
  ) {}

  @Serves(list)
  async list(@By() caller: Caller, @Query() { limit, ...filters }: ListQuery) {
    const { events, next } = await this.events.run({ provider: caller.provider, ...filters, limit: limit ?? PAGE });
    const names = await this.#names(caller);
    return { data: events.map((each) => view(each, names)), next: next ?? null };
  }

  @Serves(read)
  async read(@By() caller: Caller, @Param() { id }: Path, @Query() { source }: z.output<typeof readQuery>) {
    const { event, versions } = await this.readEvent.run({ provider: caller.provider, source, id });
    return { event: view(event, await this.#names(caller)), versions: versions.map(versionOf) };
  }

  @Serves(voidEvent)
  async void(@By() caller: Caller, @Param() { id }: Path, @Body() body: VoidBody) {
    const done = await this.voids.run({ provider: caller.provider, id, ...body, now: this.clock.now() });
    return { outcome: done.outcome, event: view(done.event, await this.#names(caller)) };
  }

  @Serves(amend)
  async amend(@By() caller: Caller, @Param() { id }: Path, @Body() body: AmendBody) {
    const done = await this.amends.run({ provider: caller.provider, id, ...body, now: this.clock.now() });
    return { outcome: done.outcome, event: view(done.event, await this.#names(caller)) };
  }

  async #names({ provider }: Caller): Promise<ReadonlyMap<string, string>> {
    return new Map((await this.meters.run({ provider })).map(({ id, name }) => [id, name]));
  }
}

function view({ time: at, receivedAt, meters, ...rest }: UsageEventView, names: ReadonlyMap<string, string>) {
  return {
    ...rest,
    time: time(at),
    receivedAt: time(receivedAt),
    meters: meters.map((meter) => names.get(meter) ?? meter),
  };
}
