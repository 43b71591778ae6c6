import { formatDecimal, fromAtomic } from '@core/money';
import { Clock } from '@core/time';
import { BACKFILL_STATES, type Backfill, Backfills } from '@features/metering';
import { PreviewBackfill } from '@features/pricing';
import { Body, Controller, Param, Query } from '@nestjs/common';
import { By, type Caller, MEBIBYTE, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { EVENT_TYPES, eventsBody, readable, readEvents } from '../event-shapes.js';
import { idText, instantText, label, needs, optionalTime, PAGE, pageLimit, shown, time } from '../fields.js';

/** Most events of one call. */
const MOST_EVENTS = 5000;

const backfill = z.object({
  id: z.string(),
  state: z.enum(BACKFILL_STATES),
  replaces: z
    .object({ type: z.string(), account: z.string().optional(), from: shown.time, to: shown.time })
    .optional()
    .describe('Stored events it takes the place of.'),
  reason: z.string().optional(),
  events: z.int().describe('Events added to it.'),
  createdAt: shown.time,
  committedAt: shown.time.optional(),
  revertedAt: shown.time.optional(),
});

const view = ({ replaces, createdAt, committedAt, revertedAt, parts: _, ...rest }: Backfill) => ({
  ...rest,
  ...(replaces ? { replaces: { ...replaces, from: time(replaces.from), to: time(replaces.to) } } : {}),
  createdAt: time(createdAt),
  committedAt: optionalTime(committedAt),
  revertedAt: optionalTime(revertedAt),
});

const notAdded = {
  source: z.string(),
  id: z.string(),
  verdict: z.enum(['rejected', 'duplicate', 'conflict']),
  reason: z.string().optional(),
  message: z.string().optional(),
};

const path = z.strictObject({ id: z.string().max(64) });
type Path = z.output<typeof path>;

const newBackfill = z.strictObject({
  replaces: z
    .strictObject({
      type: label().describe('Event type.'),
      account: idText('acct').optional().describe('Absent: of every account.'),
      from: instantText,
      to: instantText.describe('Not in the range itself.'),
    })
    .optional()
    .describe('Stored events of this range stop counting. Absent: events are only added.'),
  reason: label(500).optional(),
});
type NewBackfill = z.output<typeof newBackfill>;

const listQuery = z.strictObject({
  state: z.enum(BACKFILL_STATES).optional(),
  limit: pageLimit,
  cursor: z.string().optional(),
});
type ListQuery = z.output<typeof listQuery>;

const create: Operation = {
  method: 'POST',
  path: '/v1/backfills',
  summary: 'Begin a backfill',
  description:
    'A draft: add events to it, preview what it changes, then commit or drop it. Committed, it may be reverted.',
  area: 'usage',
  access: needs('manage'),
  body: newBackfill,
  idempotency: 'once',
  answers: { 201: { description: 'The draft.', schema: backfill } },
};

const list: Operation = {
  method: 'GET',
  path: '/v1/backfills',
  summary: 'List backfills',
  area: 'usage',
  access: needs('read'),
  query: listQuery,
  answers: { 200: { description: 'A page.', schema: z.object({ data: z.array(backfill), next: shown.next }) } },
};

const read: Operation = {
  method: 'GET',
  path: '/v1/backfills/:id',
  summary: 'Read a backfill',
  area: 'usage',
  access: needs('read'),
  params: path,
  answers: { 200: { description: 'The backfill.', schema: backfill } },
};

const add: Operation = {
  method: 'POST',
  path: '/v1/backfills/:id/events',
  summary: 'Add events to a draft',
  description: `CloudEvents 1.0, one or a batch of at most ${MOST_EVENTS}; older than 35 days is all right, the future is not.`,
  area: 'usage',
  access: needs('manage'),
  params: path,
  body: eventsBody(MOST_EVENTS),
  mediaTypes: EVENT_TYPES,
  bodyLimit: 4 * MEBIBYTE,
  idempotency: 'once',
  answers: {
    200: {
      description: 'What became of them.',
      schema: z.object({
        accepted: z.int(),
        rejected: z.int(),
        verdicts: z
          .array(z.object({ index: z.int(), ...notAdded }))
          .describe('One for each that was not accepted, with its place among those sent.'),
        backfill,
      }),
    },
  },
};

const money = z.object({ atomic: shown.signedAtomic, amount: shown.decimal });

const preview: Operation = {
  method: 'POST',
  path: '/v1/backfills/:id/preview',
  summary: 'What would a backfill change?',
  description: 'Quantities and money, by account. It is applied and rated in a transaction that is rolled back.',
  area: 'usage',
  access: needs('finance'),
  params: path,
  answers: {
    200: {
      description: 'What would differ.',
      schema: z.object({
        quantities: z.array(
          z.object({ account: z.string(), meter: z.string(), before: shown.decimal, after: shown.decimal }),
        ),
        charges: z
          .array(z.object({ account: z.string(), asset: z.string(), before: money, after: money, difference: money }))
          .describe('What the account’s charges come to in each asset.'),
        problems: z
          .array(z.object({ account: z.string(), meter: z.string(), problem: z.string() }))
          .describe('Usage that could not be rated.'),
        verdicts: z.array(z.object(notAdded)).describe('Events that would not be added.'),
      }),
    },
  },
};

const commit: Operation = {
  method: 'POST',
  path: '/v1/backfills/:id/commit',
  summary: 'Commit a backfill',
  description:
    'All of it at once. Charges follow as previewed, in the open period where their own is closed. Repeating it changes nothing.',
  area: 'usage',
  access: needs('manage'),
  params: path,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'It counts.',
      schema: z.object({
        outcome: z.enum(['committed', 'already_committed']),
        added: z.int(),
        replaced: z.int(),
        verdicts: z.array(z.object(notAdded)).describe('Events not added, because their identity is stored.'),
        backfill,
      }),
    },
  },
};

const revert: Operation = {
  method: 'POST',
  path: '/v1/backfills/:id/revert',
  summary: 'Revert a backfill',
  description: 'What it added stops counting, what it replaced counts again. Repeating it changes nothing.',
  area: 'usage',
  access: needs('manage'),
  params: path,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'It does not count.',
      schema: z.object({ outcome: z.enum(['reverted', 'already_reverted']), backfill }),
    },
  },
};

const drop: Operation = {
  method: 'POST',
  path: '/v1/backfills/:id/drop',
  summary: 'Drop a draft',
  area: 'usage',
  access: needs('manage'),
  params: path,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'It will never count.',
      schema: z.object({ outcome: z.enum(['dropped', 'already_dropped']), backfill }),
    },
  },
};

export const backfillOperations = [create, list, read, add, preview, commit, revert, drop];

@Controller()
export class BackfillsController {
  constructor(
    private readonly backfills: Backfills,
    private readonly money: PreviewBackfill,
    private readonly clock: Clock,
  ) {}

  @Serves(create)
  async create(@By() { provider }: Caller, @Body() body: NewBackfill) {
    return view(await this.backfills.create({ provider, ...body }));
  }

  @Serves(list)
  async list(@By() { provider }: Caller, @Query() { limit, ...filters }: ListQuery) {
    const page = await this.backfills.list({ provider, ...filters, limit: limit ?? PAGE });
    return { data: page.backfills.map(view), next: page.next ?? null };
  }

  @Serves(read)
  async read(@By() { provider }: Caller, @Param() { id }: Path) {
    return view(await this.backfills.read({ provider, backfill: id }));
  }

  @Serves(add)
  async add(@By() { provider }: Caller, @Param() { id }: Path, @Body() body: object) {
    const read = readEvents(body);
    const places = read.flatMap((each, place) => ('event' in each ? [place] : []));
    const unreadable = read.flatMap((each, index) => ('event' in each ? [] : [{ index, ...each.verdict }]));
    const added = await this.backfills.add({ provider, backfill: id, events: readable(read), now: this.clock.now() });
    const refused = added.verdicts.map(({ index, ...verdict }) => ({ index: places[index] ?? index, ...verdict }));
    return {
      accepted: added.accepted,
      rejected: added.rejected + unreadable.length,
      verdicts: [...refused, ...unreadable].sort((a, b) => a.index - b.index),
      backfill: view(added.backfill),
    };
  }

  @Serves(preview)
  async preview(@By() { provider }: Caller, @Param() { id }: Path) {
    const { quantities, verdicts } = await this.backfills.quantities({ provider, backfill: id, now: this.clock.now() });
    const { changes, problems } = await this.money.run({ provider, backfill: id });
    return {
      quantities: quantities.map(({ before, after, ...rest }) => ({
        ...rest,
        before: formatDecimal(before),
        after: formatDecimal(after),
      })),
      charges: changes.map(({ account, asset, decimals, before, after }) => ({
        account,
        asset,
        before: moneyView(before, decimals),
        after: moneyView(after, decimals),
        difference: moneyView(after - before, decimals),
      })),
      problems,
      verdicts,
    };
  }

  @Serves(commit)
  async commit(@By() { provider }: Caller, @Param() { id }: Path) {
    const done = await this.backfills.commit({ provider, backfill: id, now: this.clock.now() });
    return { ...done, backfill: view(done.backfill) };
  }

  @Serves(revert)
  async revert(@By() { provider }: Caller, @Param() { id }: Path) {
    const done = await this.backfills.revert({ provider, backfill: id, now: this.clock.now() });
    return { ...done, backfill: view(done.backfill) };
  }

  @Serves(drop)
  async drop(@By() { provider }: Caller, @Param() { id }: Path) {
    const done = await this.backfills.drop({ provider, backfill: id });
    return { ...done, backfill: view(done.backfill) };
  }
}

const moneyView = (atomic: bigint, decimals: number) => ({
  atomic: atomic.toString(),
  amount: formatDecimal(fromAtomic(atomic, decimals)),
});
