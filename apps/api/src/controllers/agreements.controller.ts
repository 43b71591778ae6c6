import type { PaymentAsset } from '@core/payments';
import { ReadAccount } from '@features/accounts';
import {
  type AccountPlanMove,
  type AccountPrice,
  AccountPriceReader,
  MoveAccount,
  OverridePrice,
  PlanReader,
} from '@features/pricing';
import { Body, Controller, Inject, Param, Res } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PRICEABLE_TOKENS } from '../chain.js';
import { idText, instantText, label, needs, shown, time } from '../fields.js';
import { assetOf, price, priceFields, priceView } from '../price-shapes.js';

// What an account is charged by where it is not the provider's prices: its plan, and prices agreed with it alone.

const path = z.strictObject({ id: idText('acct') });
type Path = z.output<typeof path>;

const move = z.object({
  account: z.string(),
  planVersion: z.string().nullable().describe('null: off its plan.'),
  from: shown.time,
});
const moveView = ({ account, planVersion, from }: AccountPlanMove) => ({
  account,
  planVersion: planVersion ?? null,
  from: time(from),
});

const agreed = z.object({
  account: z.string(),
  meter: z.string(),
  from: shown.time,
  price: price.nullable().describe('null: from then on the price of its plan, or the provider’s.'),
});
const agreedView = ({ account, meter, from, price: own }: AccountPrice) => ({
  account,
  meter,
  from: time(from),
  price: own ? priceView(own) : null,
});

const readPlan: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/plan',
  summary: 'The plans of an account',
  area: 'accounts',
  access: needs('read'),
  params: path,
  answers: { 200: { description: 'Its moves, earliest first.', schema: z.object({ data: z.array(move) }) } },
};

const newMove = z.strictObject({
  plan: label(128).nullable().describe('Name or id of the plan; null takes the account off its plan.'),
  version: z.int().positive('must be 1 or more').optional().describe('The newest when absent.'),
  from: instantText.optional().describe('On a quarter of an hour; the one under way when absent.'),
});
type NewMove = z.output<typeof newMove>;

const putOnPlan: Operation = {
  method: 'PUT',
  path: '/v1/accounts/:id/plan',
  summary: 'Put an account on a plan',
  description: 'A month in which it moves is cut at that instant.',
  area: 'accounts',
  access: needs('manage'),
  params: path,
  body: newMove,
  idempotency: 'repeatable',
  answers: {
    200: {
      description: 'Where it is from then on.',
      schema: z.object({ outcome: z.enum(['moved', 'unchanged']), ...move.shape }),
    },
  },
};

const readPrices: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/prices',
  summary: 'Prices agreed with an account',
  area: 'accounts',
  access: needs('read'),
  params: path,
  answers: { 200: { description: 'By meter and instant.', schema: z.object({ data: z.array(agreed) }) } },
};

const agreement = z.strictObject({
  meter: label(128).describe('Name or id of the meter.'),
  price: z.strictObject(priceFields).nullable().describe('null ends what was agreed.'),
  from: instantText.optional().describe('Now when absent.'),
});
type Agreement = z.output<typeof agreement>;

const agree: Operation = {
  method: 'POST',
  path: '/v1/accounts/:id/prices',
  summary: 'Agree a price with an account',
  description:
    'It goes before the price of its plan and the provider’s own, for what is metered. The gate sells at the provider’s prices.',
  area: 'accounts',
  access: needs('manage'),
  params: path,
  body: agreement,
  idempotency: 'once',
  answers: {
    201: { description: 'Agreed.', schema: agreed },
    200: { description: 'The same was agreed before.', schema: agreed },
  },
};

export const agreementOperations = [readPlan, putOnPlan, readPrices, agree];

@Controller()
export class AgreementsController {
  constructor(
    private readonly plans: PlanReader,
    private readonly moveAccount: MoveAccount,
    private readonly prices: AccountPriceReader,
    private readonly overridePrice: OverridePrice,
    private readonly readAccount: ReadAccount,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: readonly PaymentAsset[],
    private readonly database: Database,
  ) {}

  @Serves(readPlan)
  async readPlan(@By() { provider }: Caller, @Param() { id }: Path) {
    return this.database.forProvider(provider, async (tx) => {
      await this.readAccount.within(tx, id);
      return { data: (await this.plans.movesOf(tx, id)).map(moveView) };
    });
  }

  @Serves(putOnPlan)
  async putOnPlan(@By() { provider }: Caller, @Param() { id }: Path, @Body() { plan, version, from }: NewMove) {
    const moved = await this.moveAccount.run({ provider, account: id, plan: plan ?? undefined, version, from });
    return { outcome: moved.outcome, ...moveView(moved.move) };
  }

  @Serves(readPrices)
  async readPrices(@By() { provider }: Caller, @Param() { id }: Path) {
    return this.database.forProvider(provider, async (tx) => {
      await this.readAccount.within(tx, id);
      return { data: (await this.prices.of(tx, id)).map(agreedView) };
    });
  }

  @Serves(agree)
  async agree(
    @By() { provider }: Caller,
    @Param() { id }: Path,
    @Body() { meter, price: own, from }: Agreement,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const spec = own === null ? undefined : { ...own, asset: assetOf(this.tokens, own.asset) };
    const made = await this.overridePrice.run({ provider, account: id, meter, price: spec, from });
    void reply.code(made.outcome === 'created' ? 201 : 200);
    return agreedView(made.agreed);
  }
}
