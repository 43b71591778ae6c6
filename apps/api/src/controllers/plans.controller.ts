import { Fault } from '@core/faults';
import type { PaymentAsset } from '@core/payments';
import {
  CreatePlan,
  MigratePlan,
  PlanReader,
  RevisePlan,
  type StoredPlan,
  type StoredPlanVersion,
} from '@features/pricing';
import { Body, Controller, Inject, Param, Res } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PRICEABLE_TOKENS } from '../chain.js';
import { instantText, label, needs, shown, time } from '../fields.js';
import { assetOf, price, priceFields, priceView } from '../price-shapes.js';

const planVersion = z.object({
  id: z.string(),
  version: z.int(),
  items: z.array(price).describe('A price for each item: of a meter, or flat with a name.'),
  modifiers: z.record(z.string(), z.unknown()).describe('What holds across the items of a month.'),
  asset: z.string(),
  assetDecimals: z.int(),
  createdAt: shown.time,
});

const plan = z.object({
  id: z.string(),
  name: z.string(),
  versions: z.array(planVersion).describe('Earliest first; accounts are put on the last.'),
  createdAt: shown.time,
});

const versionView = (each: StoredPlanVersion) => ({
  id: each.id,
  version: each.version,
  items: each.prices.map(priceView),
  modifiers: each.modifiers.definition,
  asset: each.asset,
  assetDecimals: each.assetDecimals,
  createdAt: time(each.createdAt),
});

const view = ({ id, name, versions, createdAt }: StoredPlan) => ({
  id,
  name,
  versions: versions.map(versionView),
  createdAt: time(createdAt),
});

const path = z.strictObject({ id: label(128).describe('Name or id of the plan.') });
type Path = z.output<typeof path>;

const content = z.strictObject({
  items: z
    .array(z.record(z.string(), z.unknown()))
    .describe(
      '[{ "meter": "api.calls", "model": "graduated", "definition": { … }, "modifiers"?: { … } }, { "name": "Base fee", "model": "flat", "definition": { "amount": "49" } }]',
    ),
  modifiers: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('What holds across the items of a month: minimum, maximum, commitment, discount, proration.'),
  asset: priceFields.asset,
});
type Content = z.output<typeof content>;

const newPlan = content.extend({ name: label(128) });
type NewPlan = z.output<typeof newPlan>;

const list: Operation = {
  method: 'GET',
  path: '/v1/plans',
  summary: 'List plans',
  area: 'catalogue',
  access: needs('read'),
  answers: { 200: { description: 'All plans with their versions.', schema: z.object({ data: z.array(plan) }) } },
};

const read: Operation = {
  method: 'GET',
  path: '/v1/plans/:id',
  summary: 'Read a plan',
  area: 'catalogue',
  access: needs('read'),
  params: path,
  answers: { 200: { description: 'The plan with its versions.', schema: plan } },
};

const create: Operation = {
  method: 'POST',
  path: '/v1/plans',
  summary: 'Make a plan',
  description: 'A bundle of prices, with its first version. Nobody is on it yet.',
  area: 'catalogue',
  access: needs('manage'),
  body: newPlan,
  idempotency: 'repeatable',
  answers: {
    201: { description: 'A new plan.', schema: plan },
    200: { description: 'The plan of this name, which says the same.', schema: plan },
  },
};

const revise: Operation = {
  method: 'POST',
  path: '/v1/plans/:id/versions',
  summary: 'Make the next version of a plan',
  description: 'Given as a whole. Versions never change; accounts stay on theirs until they are moved.',
  area: 'catalogue',
  access: needs('manage'),
  params: path,
  body: content,
  idempotency: 'repeatable',
  answers: {
    201: { description: 'The plan with its new version.', schema: plan },
    200: { description: 'The plan, whose last version says the same.', schema: plan },
  },
};

const migration = z.strictObject({
  to: label(128).optional().describe('Name or id of the plan to move to; the same plan when absent.'),
  version: z.int().positive('must be 1 or more').optional().describe('The newest when absent.'),
  at: instantText.optional().describe('On a quarter of an hour; the one under way when absent.'),
});
type Migration = z.output<typeof migration>;

const migrate: Operation = {
  method: 'POST',
  path: '/v1/plans/:id/migrate',
  summary: 'Move the accounts of a plan',
  description:
    'All that are on it at the instant, to another version or another plan. Those that move later by themselves are left.',
  area: 'catalogue',
  access: needs('manage'),
  params: path,
  body: migration,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'How many were moved.',
      schema: z.object({ moved: z.int(), planVersion: z.string(), from: shown.time }),
    },
  },
};

export const planOperations = [list, read, create, revise, migrate];

@Controller()
export class PlansController {
  constructor(
    private readonly plans: PlanReader,
    private readonly createPlan: CreatePlan,
    private readonly revisePlan: RevisePlan,
    private readonly migratePlan: MigratePlan,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: readonly PaymentAsset[],
    private readonly database: Database,
  ) {}

  @Serves(list)
  async list(@By() { provider }: Caller) {
    return this.database.forProvider(provider, async (tx) => ({ data: (await this.plans.list(tx)).map(view) }));
  }

  @Serves(read)
  async read(@By() { provider }: Caller, @Param() { id }: Path) {
    const found = await this.database.forProvider(provider, (tx) => this.plans.find(tx, id));
    if (found) return view(found);
    throw new Fault('not_found', `There is no plan "${id}". GET /v1/plans lists yours.`, { reason: 'unknown_plan' });
  }

  @Serves(create)
  async create(@By() { provider }: Caller, @Body() body: NewPlan, @Res({ passthrough: true }) reply: FastifyReply) {
    const made = await this.createPlan.run({ provider, ...body, asset: assetOf(this.tokens, body.asset) });
    void reply.code(made.outcome === 'created' ? 201 : 200);
    return view(made.plan);
  }

  @Serves(revise)
  async revise(
    @By() { provider }: Caller,
    @Param() { id }: Path,
    @Body() body: Content,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const made = await this.revisePlan.run({ provider, plan: id, ...body, asset: assetOf(this.tokens, body.asset) });
    void reply.code(made.outcome === 'created' ? 201 : 200);
    return view(made.plan);
  }

  @Serves(migrate)
  async migrate(@By() { provider }: Caller, @Param() { id }: Path, @Body() body: Migration) {
    const moved = await this.migratePlan.run({ provider, plan: id, ...body });
    return { ...moved, from: time(moved.from) };
  }
}
