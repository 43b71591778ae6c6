import type { PaymentAsset } from '@core/payments';
import { formatDecimal, fromAtomic } from '@core/money';
import { RELEASE_LEVELS } from '@core/payments';
import { MeterReader } from '@features/metering';
import {
  BackTestPrice,
  type BackTestedAccount,
  CreatePrice,
  PriceBook,
  type RatedMoney,
  RatingProblems,
} from '@features/pricing';
import { Body, Controller, Inject, Query, Res } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PRICEABLE_TOKENS } from '../chain.js';
import { idText, instantText, label, needs, shown, time } from '../fields.js';
import { assetOf, price, priceFields, priceView } from '../price-shapes.js';
import { unknownMeter } from './meters.controller.js';

const listQuery = z.strictObject({ meter: label(128).optional().describe('Name or id of the meter.') });
type ListQuery = z.output<typeof listQuery>;

const list: Operation = {
  method: 'GET',
  path: '/v1/prices',
  summary: 'List prices',
  description: 'Every version, those to come included, by meter and instant. Those of plans are with the plans.',
  area: 'catalogue',
  access: needs('read'),
  query: listQuery,
  answers: { 200: { description: 'The price versions.', schema: z.object({ data: z.array(price) }) } },
};

const newPrice = z.strictObject({
  meter: label(128).describe('Name or id of the meter.'),
  ...priceFields,
  release: z.enum(RELEASE_LEVELS).optional().describe('When a response may leave; submitted when absent.'),
  effectiveAt: instantText.optional().describe('Now when absent. In the past only for the first price of a meter.'),
});
type NewPrice = z.output<typeof newPrice>;

const create: Operation = {
  method: 'POST',
  path: '/v1/prices',
  summary: 'Set a price',
  description: 'Makes a new version, in force from its instant on. Versions never change.',
  area: 'catalogue',
  access: needs('manage'),
  body: newPrice,
  idempotency: 'once',
  answers: {
    201: { description: 'A new version.', schema: price },
    200: { description: 'The same version, made before.', schema: price },
  },
};

const money = z.object({ asset: z.string(), atomic: shown.signedAtomic, amount: shown.decimal });

const candidate = z.strictObject({
  meter: label(128).describe('Name or id of the meter.'),
  ...priceFields,
  from: instantText,
  to: instantText.describe(
    'Not in the range itself; at most 366 days after `from`. Each month in it is rated by itself.',
  ),
  accounts: z
    .array(label())
    .min(1, 'must name at least one')
    .max(1000, 'must name at most 1000')
    .optional()
    .describe('Ids or names; absent: every account with usage.'),
  after: idText('acct').optional().describe('Goes on after this account.'),
});
type Candidate = z.output<typeof candidate>;

const backTest: Operation = {
  method: 'POST',
  path: '/v1/prices/backtest',
  summary: 'What would a price have charged?',
  description: 'A candidate over stored usage, beside the prices in force. Nothing is posted.',
  area: 'catalogue',
  access: needs('finance'),
  body: candidate,
  answers: {
    200: {
      description: 'By account and in all.',
      schema: z.object({
        accounts: z.array(
          z.object({
            account: z.string(),
            name: z.string().optional(),
            quantity: shown.decimal,
            current: z.array(money),
            candidate: money.optional(),
            difference: shown.signedAtomic.optional().describe('candidate - current, where both are in one asset.'),
            problem: z.string().optional(),
          }),
        ),
        total: z.object({
          accounts: z.int().describe('Those without a problem.'),
          current: z.array(money),
          candidate: money.optional(),
          difference: shown.signedAtomic.optional(),
        }),
        problems: z.int(),
        complete: z.boolean().describe('false: go on with `after` as the last account.'),
      }),
    },
  },
};

const ratingProblem = z.object({
  account: z.string(),
  meter: z.string().optional(),
  problem: z.string(),
  since: shown.time,
  dueAt: shown.time.describe('When it is tried again.'),
});

const problems: Operation = {
  method: 'GET',
  path: '/v1/rating-problems',
  summary: 'Usage that cannot be rated',
  description:
    'With the reason, e.g. that the price has no rate for a tuple of dimensions. It is tried again every hour.',
  area: 'catalogue',
  access: needs('read'),
  answers: { 200: { description: 'By account and meter.', schema: z.object({ data: z.array(ratingProblem) }) } },
};

export const priceOperations = [list, create, backTest, problems];

@Controller()
export class PricesController {
  constructor(
    private readonly createPrice: CreatePrice,
    private readonly backTestPrice: BackTestPrice,
    private readonly book: PriceBook,
    private readonly ratingProblems: RatingProblems,
    private readonly meters: MeterReader,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: readonly PaymentAsset[],
    private readonly database: Database,
  ) {}

  @Serves(list)
  async list(@By() caller: Caller, @Query() query: ListQuery) {
    return this.database.forProvider(caller.provider, async (tx) => {
      if (query.meter === undefined) return { data: (await this.book.all(tx)).map(priceView) };
      const meter = await this.meters.find(tx, query.meter);
      if (!meter) throw unknownMeter(query.meter);
      return { data: (await this.book.versions(tx, meter.id)).map(priceView) };
    });
  }

  @Serves(create)
  async create(@By() caller: Caller, @Body() body: NewPrice, @Res({ passthrough: true }) reply: FastifyReply) {
    const asset = assetOf(this.tokens, body.asset);
    const { outcome, price: made } = await this.createPrice.run({ ...body, provider: caller.provider, asset });
    void reply.code(outcome === 'created' ? 201 : 200);
    return priceView(made);
  }

  @Serves(backTest)
  async backTest(@By() caller: Caller, @Body() { from, to, asset, ...body }: Candidate) {
    const tested = await this.backTestPrice.run({
      ...body,
      provider: caller.provider,
      range: { start: from, end: to },
      asset: assetOf(this.tokens, asset),
    });
    return {
      accounts: tested.accounts.map(({ quantity, account, name, problem, ...compared }) => ({
        account,
        name,
        quantity: formatDecimal(quantity),
        problem,
        ...comparison(compared),
      })),
      total: { accounts: tested.total.accounts, ...comparison(tested.total) },
      problems: tested.problems,
      complete: tested.complete,
    };
  }

  @Serves(problems)
  async problems(@By() caller: Caller) {
    const found = await this.database.forProvider(caller.provider, (tx) => this.ratingProblems.list(tx));
    return { data: found.map(({ since, dueAt, ...rest }) => ({ ...rest, since: time(since), dueAt: time(dueAt) })) };
  }
}

const comparison = ({
  current,
  candidate: offered,
  difference,
}: Pick<BackTestedAccount, 'current' | 'candidate' | 'difference'>) => ({
  current: current.map(moneyView),
  candidate: offered && moneyView(offered),
  difference: difference?.toString(),
});

const moneyView = ({ asset, atomic, decimals }: RatedMoney) => ({
  asset,
  atomic: atomic.toString(),
  amount: formatDecimal(fromAtomic(atomic, decimals)),
});
