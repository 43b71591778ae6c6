import { ATTEMPT_STATES, COLLECTION_STATES } from '@core/collections';
import { Fault } from '@core/faults';
import { ID_PREFIXES } from '@core/ids';
import { CollectNow, CollectionsReader, type CollectionView } from '@features/collections';
import { Controller, Param } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { idText, needs, optionalTime, shown, time } from '../fields.js';

const path = z.strictObject({ id: idText(ID_PREFIXES.statement) });
type Path = z.output<typeof path>;

const collection = z.object({
  id: z.string(),
  statement: z.string(),
  account: z.string(),
  asset: z.string(),
  state: z.enum(COLLECTION_STATES),
  dunning: z.int().describe('Steps of the schedule taken.'),
  reason: z.string().optional().describe('Why it is where it is, in a word.'),
  nextAt: shown.time.optional().describe('When it is looked at or tried again; absent: not by itself.'),
  openedAt: shown.time,
  version: z.int(),
  attempts: z.array(
    z.object({
      id: z.string(),
      number: z.int(),
      rail: z.enum(['card', 'bank']),
      paymentMethod: z.string(),
      state: z.enum(ATTEMPT_STATES),
      cents: z.string().describe('US cents.'),
      covers: shown.atomic.describe('What it pays of the statement.'),
      paymentIntent: z.string().optional(),
      failure: z.string().optional().describe('The code it failed with, as Stripe names it.'),
      createdAt: shown.time,
      endedAt: shown.time.optional(),
    }),
  ),
});

const view = (of: CollectionView) => ({
  id: of.id,
  statement: of.statement,
  account: of.account,
  asset: of.asset,
  state: of.state,
  dunning: of.dunning,
  reason: of.reason,
  nextAt: optionalTime(of.nextRunAt),
  openedAt: time(of.openedAt),
  version: of.version,
  attempts: of.attempts.map(({ method, intent, createdAt, endedAt, cents, covers, ...attempt }) => ({
    ...attempt,
    paymentMethod: method,
    cents: cents.toString(),
    covers: covers.toString(),
    paymentIntent: intent,
    createdAt: time(createdAt),
    endedAt: optionalTime(endedAt),
  })),
});

const read: Operation = {
  method: 'GET',
  path: '/v1/statements/:id/collection',
  summary: 'How the collecting of a statement stands',
  area: 'finance',
  access: needs('finance'),
  params: path,
  answers: { 200: { description: 'With its attempts, the first one first.', schema: collection } },
};

const collect: Operation = {
  method: 'POST',
  path: '/v1/statements/:id/collect',
  summary: 'Collect a statement now',
  description:
    'Before it is due, or ahead of the next try; one that was halted goes on. Money moves at most once for a statement, however often this is asked.',
  area: 'finance',
  access: needs('finance'),
  params: path,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'started: it is worked on at once. resting: nothing is left to do.',
      schema: z.object({ outcome: z.enum(['started', 'resting']), collection }),
    },
  },
};

export const collectionOperations = [read, collect];

@Controller()
export class CollectionsController {
  constructor(
    private readonly database: Database,
    private readonly collections: CollectionsReader,
    private readonly collectNow: CollectNow,
  ) {}

  @Serves(read)
  async read(@By() { provider }: Caller, @Param() { id }: Path) {
    const found = await this.database.forProvider(provider, (tx) => this.collections.ofStatement(tx, id));
    if (!found)
      throw new Fault('not_found', 'This statement is not collected by card or bank, or not yet.', {
        reason: 'no_collection',
      });
    return view(found);
  }

  @Serves(collect)
  async collect(@By() { provider }: Caller, @Param() { id }: Path) {
    const { outcome, collection: now } = await this.collectNow.run({ provider, statement: id });
    return { outcome, collection: view(now) };
  }
}
