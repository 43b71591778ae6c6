import { Clock } from '@core/time';
import { HELD_STATES, type HeldEvent, HeldEvents, type HeldSelection, MOST_HELD_PER_CALL } from '@features/metering';
import { Fault } from '@core/faults';
import { Body, Controller, Query } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { eventCursor, label, needs, optionalTime, PAGE, pageLimit, shown, time } from '../fields.js';

const held = z.object({
  receipt: z.string(),
  reason: z
    .string()
    .describe('unknown_account, unknown_meter: replay it once there is one · over_… : it exceeded a ceiling.'),
  state: z.enum(HELD_STATES),
  heldAt: shown.time,
  resolvedAt: shown.time.optional(),
  event: z.record(z.string(), z.unknown()).describe('As it was sent.'),
});

const view = ({ event: { timeStated: _, time: at, ...event }, heldAt, resolvedAt, ...rest }: HeldEvent) => ({
  ...rest,
  heldAt: time(heldAt),
  resolvedAt: optionalTime(resolvedAt),
  event: { ...event, time: time(at) },
});

const listQuery = z.strictObject({
  state: z.enum(HELD_STATES).optional().describe('held when absent.'),
  reason: label(64).optional(),
  limit: pageLimit,
  cursor: eventCursor,
});
type ListQuery = z.output<typeof listQuery>;

const selection = z.strictObject({
  receipts: z
    .array(z.string())
    .min(1, 'must name at least one')
    .max(MOST_HELD_PER_CALL, `must name at most ${MOST_HELD_PER_CALL}`)
    .optional()
    .describe('These alone.'),
  reason: label(64).optional(),
  type: label().optional(),
  subject: label().optional(),
  after: eventCursor.describe('`next` of the call before: goes on after it.'),
});
type Selection = z.output<typeof selection>;

const list: Operation = {
  method: 'GET',
  path: '/v1/held-events',
  summary: 'List held events',
  description:
    'Events that are kept and do not count: of an unknown account or type, over a ceiling, or at odds with what is stored.',
  area: 'usage',
  access: needs('read'),
  query: listQuery,
  answers: {
    200: { description: 'A page, the first held first.', schema: z.object({ data: z.array(held), next: shown.next }) },
  },
};

const replay: Operation = {
  method: 'POST',
  path: '/v1/held-events/replay',
  summary: 'Replay held events',
  description: `Those named by receipt, or all that match, at most ${MOST_HELD_PER_CALL} a call. What resolves now counts, with its first identity and time of use, and no ceiling holds it again; the rest stays held.`,
  area: 'usage',
  access: needs('manage'),
  body: selection,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'What became of them.',
      schema: z.object({
        replayed: z.int(),
        verdicts: z
          .array(
            z.object({
              receipt: z.string(),
              verdict: z
                .enum(['held', 'rejected', 'discarded'])
                .describe('discarded: it turned out to be the repeat of a stored event.'),
              reason: z.string(),
              message: z.string(),
            }),
          )
          .describe('One for each that did not come to count.'),
        next: shown.next,
      }),
    },
  },
};

const discard: Operation = {
  method: 'POST',
  path: '/v1/held-events/discard',
  summary: 'Discard held events',
  description: 'They stay readable and will never count.',
  area: 'usage',
  access: needs('manage'),
  body: selection,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'How many were held and are not any more.',
      schema: z.object({ discarded: z.int(), next: shown.next }),
    },
  },
};

export const heldEventOperations = [list, replay, discard];

@Controller()
export class HeldEventsController {
  constructor(
    private readonly held: HeldEvents,
    private readonly clock: Clock,
  ) {}

  @Serves(list)
  async list(@By() caller: Caller, @Query() { limit, state, ...filters }: ListQuery) {
    const { events, next } = await this.held.list({
      provider: caller.provider,
      ...filters,
      state: state ?? 'held',
      limit: limit ?? PAGE,
    });
    return { data: events.map(view), next: next ?? null };
  }

  @Serves(replay)
  async replay(@By() caller: Caller, @Body() body: Selection) {
    const done = await this.held.replay({ provider: caller.provider, select: selected(body), now: this.clock.now() });
    return { ...done, next: done.next ?? null };
  }

  @Serves(discard)
  async discard(@By() caller: Caller, @Body() body: Selection) {
    const done = await this.held.discard({ provider: caller.provider, select: selected(body) });
    return { discarded: done.discarded, next: done.next ?? null };
  }
}

function selected({ receipts, ...filters }: Selection): HeldSelection {
  if (receipts === undefined) return filters;
  if (Object.keys(filters).length === 0) return { receipts };
  throw new Fault('invalid_request', 'Name events by "receipts", or by reason, type and subject; not by both.', {
    reason: 'invalid_selection',
  });
}
