import { Fault } from '@core/faults';
import { formatDecimal } from '@core/money';
import { CreateMeter, ListMeters, MeterReader, PreviewMeter, ReviseMeter } from '@features/metering';
import { Body, Controller, Param, Res } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { idText, instantText, label, needs, shown, time } from '../fields.js';
import {
  definitionOf,
  meter,
  meterView,
  meterWithVersions,
  newMeter,
  revisedRules,
  revisionOf,
  versionsView,
} from '../meter-shapes.js';

/** Something odd in the starts and stops of a resource. */
export const flag = z.object({ kind: z.string(), resource: z.string(), time: shown.time });

const path = z.strictObject({ id: label(128).describe('Name or id of the meter.') });
type Path = z.output<typeof path>;

const list: Operation = {
  method: 'GET',
  path: '/v1/meters',
  summary: 'List meters',
  area: 'catalogue',
  access: needs('read'),
  answers: { 200: { description: 'All meters, in order of name.', schema: z.object({ data: z.array(meter) }) } },
};

const read: Operation = {
  method: 'GET',
  path: '/v1/meters/:id',
  summary: 'Read a meter',
  description: 'With every version of its rules.',
  area: 'catalogue',
  access: needs('read'),
  params: path,
  answers: { 200: { description: 'The meter.', schema: meterWithVersions } },
};

const creation = newMeter.extend({
  effectiveAt: instantText
    .optional()
    .describe(
      'From which time of use it counts. Absent: all stored events of its type, or from now on where other meters hear that type.',
    ),
});
type Creation = z.output<typeof creation>;

const create: Operation = {
  method: 'POST',
  path: '/v1/meters',
  summary: 'Define a meter',
  description:
    'Repeating it answers the meter of that name. What it aggregates never changes; its rules may, by a new version.',
  area: 'catalogue',
  access: needs('manage'),
  body: creation,
  idempotency: 'repeatable',
  answers: {
    201: { description: 'A new meter.', schema: meter },
    200: { description: 'The meter as it was defined before.', schema: meter },
  },
};

const revision = z.strictObject({
  ...revisedRules,
  effectiveAt: instantText.optional().describe('Now when absent; not in the past.'),
});
type Revision = z.output<typeof revision>;

const revise: Operation = {
  method: 'POST',
  path: '/v1/meters/:id/versions',
  summary: 'Change the rules of a meter',
  description:
    'A new version, for usage from its instant on. What is left out stays as it is, null takes a rule away; aggregation and unit never change.',
  area: 'catalogue',
  access: needs('manage'),
  params: path,
  body: revision,
  idempotency: 'once',
  answers: {
    201: { description: 'The meter with its new version.', schema: meterWithVersions },
    200: { description: 'The meter, whose last version says the same.', schema: meterWithVersions },
  },
};

const draft = z.strictObject({
  definition: newMeter,
  from: instantText,
  to: instantText.describe('Not in the range itself; at most 92 days after `from`.'),
  account: idText('acct').optional(),
  limit: z
    .int()
    .min(1, 'must be 1 to 1000')
    .max(1000, 'must be 1 to 1000')
    .optional()
    .describe('Most accounts listed; 100 when absent.'),
});
type Draft = z.output<typeof draft>;

const preview: Operation = {
  method: 'POST',
  path: '/v1/meters/preview',
  summary: 'What would a meter have counted?',
  description: 'Over stored events. Nothing is made and nothing is charged.',
  area: 'catalogue',
  access: needs('manage'),
  body: draft,
  answers: {
    200: {
      description: 'The quantities, in all and by account.',
      schema: z.object({
        total: shown.decimal,
        unit: z.string(),
        accounts: z
          .array(z.object({ account: z.string(), quantity: shown.decimal, events: z.int() }))
          .describe('Those with most events first.'),
        accountCount: z.int().describe('How many accounts have events that count.'),
        events: z.object({
          seen: z.int().describe('Stored events of its type.'),
          kept: z.int().describe('Those that count.'),
          invalid: z.int().describe('Those that lack what it needs.'),
        }),
        flags: z.array(flag.extend({ account: z.string() })),
        complete: z.boolean().describe('false: there are more events than a preview looks at.'),
      }),
    },
  },
};

export const meterOperations = [list, read, create, revise, preview];

@Controller()
export class MetersController {
  constructor(
    private readonly meters: ListMeters,
    private readonly reader: MeterReader,
    private readonly defineMeter: CreateMeter,
    private readonly reviseMeter: ReviseMeter,
    private readonly previewMeter: PreviewMeter,
    private readonly database: Database,
  ) {}

  @Serves(list)
  async list(@By() { provider }: Caller) {
    return { data: (await this.meters.run({ provider })).map(meterView) };
  }

  @Serves(read)
  async read(@By() { provider }: Caller, @Param() { id }: Path) {
    const found = await this.database.forProvider(provider, (tx) => this.reader.find(tx, id));
    if (!found) throw unknownMeter(id);
    return { ...meterView(found), versions: versionsView(found.versions) };
  }

  @Serves(create)
  async create(
    @By() { provider }: Caller,
    @Body() { effectiveAt, ...body }: Creation,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const made = await this.defineMeter.run({ provider, ...definitionOf(body), effectiveAt });
    void reply.code(made.outcome === 'created' ? 201 : 200);
    return meterView(made.meter);
  }

  @Serves(revise)
  async revise(
    @By() { provider }: Caller,
    @Param() { id }: Path,
    @Body() { effectiveAt, ...given }: Revision,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const made = await this.reviseMeter.run({
      provider,
      meter: id,
      rules: revisionOf(given),
      effectiveAt,
    });
    void reply.code(made.outcome === 'revised' ? 201 : 200);
    return { ...meterView(made.meter), versions: versionsView(made.meter.versions) };
  }

  @Serves(preview)
  async preview(@By() { provider }: Caller, @Body() { definition, from, to, ...rest }: Draft) {
    const found = await this.previewMeter.run({
      provider,
      definition: definitionOf(definition),
      range: { start: from, end: to },
      ...rest,
    });
    return {
      ...found,
      total: formatDecimal(found.total),
      accounts: found.accounts.map(({ quantity, ...each }) => ({ ...each, quantity: formatDecimal(quantity) })),
      flags: found.flags.map((each) => ({ ...each, time: time(each.time) })),
    };
  }
}

export const unknownMeter = (name: string): Fault =>
  new Fault('not_found', `There is no meter "${name}". GET /v1/meters lists yours; POST /v1/meters defines one.`, {
    reason: 'unknown_meter',
  });
