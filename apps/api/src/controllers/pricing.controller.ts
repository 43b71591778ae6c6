import { Fault } from '@core/faults';
import { type PaymentAsset, RELEASE_LEVELS } from '@core/payments';
import { PRICE_MODELS } from '@core/pricing';
import { MeterReader } from '@features/metering';
import { CreatePrice, PriceBook, type StoredPrice } from '@features/pricing';
import { Body, Controller, Inject, Query, Res } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PRICEABLE_TOKENS } from '../chain.js';
import { instantText, label, needs, shown, time } from '../fields.js';

const price = z.object({
  id: z.string(),
  meter: z.string(),
  model: z.string(),
  definition: z.record(z.string(), z.string()),
  asset: z.string(),
  assetDecimals: z.int(),
  release: z.enum(RELEASE_LEVELS),
  effectiveAt: shown.time,
  createdAt: shown.time,
});

const view = ({ terms, effectiveAt, createdAt, ...rest }: StoredPrice) => ({
  ...rest,
  model: terms.model,
  definition: terms.definition,
  effectiveAt: time(effectiveAt),
  createdAt: time(createdAt),
});

const newPrice = z.strictObject({
  meter: label(128).describe('Name or id of the meter.'),
  model: z.enum([...PRICE_MODELS.keys()]).default('per_unit'),
  definition: z
    .record(z.string(), z.unknown())
    .describe(
      'What the model needs. per_unit: { "rate": "0.004" }, in whole units of the asset for one unit of the meter.',
    ),
  asset: z.string().optional().describe('Asset id; the USDC of the chain when absent.'),
  release: z.enum(RELEASE_LEVELS).optional().describe('When a response may leave; submitted when absent.'),
  effectiveAt: instantText.optional().describe('Now when absent. In the past only for the first price of a meter.'),
});
type NewPrice = z.output<typeof newPrice>;

const listQuery = z.strictObject({ meter: label(128).optional().describe('Name or id of the meter.') });
type ListQuery = z.output<typeof listQuery>;

const list: Operation = {
  method: 'GET',
  path: '/v1/prices',
  summary: 'List prices',
  description: 'Every version, those to come included, by meter and instant.',
  area: 'catalogue',
  access: needs('read'),
  query: listQuery,
  answers: { 200: { description: 'The price versions.', schema: z.object({ data: z.array(price) }) } },
};

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

export const pricingOperations = [list, create];

@Controller()
export class PricingController {
  constructor(
    private readonly createPrice: CreatePrice,
    private readonly book: PriceBook,
    private readonly meters: MeterReader,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: readonly PaymentAsset[],
    private readonly database: Database,
  ) {}

  @Serves(list)
  async list(@By() caller: Caller, @Query() query: ListQuery) {
    return this.database.forProvider(caller.provider, async (tx) => {
      if (query.meter === undefined) return { data: (await this.book.all(tx)).map(view) };
      const meter = await this.meters.find(tx, query.meter);
      if (!meter)
        throw new Fault('not_found', `There is no meter "${query.meter}". GET /v1/meters lists yours.`, {
          reason: 'unknown_meter',
        });
      return { data: (await this.book.versions(tx, meter.id)).map(view) };
    });
  }

  @Serves(create)
  async create(@By() caller: Caller, @Body() body: NewPrice, @Res({ passthrough: true }) reply: FastifyReply) {
    const token = tokenOf(this.tokens, body.asset);
    const { outcome, price: made } = await this.createPrice.run({
      ...body,
      provider: caller.provider,
      asset: token,
    });
    void reply.code(outcome === 'created' ? 201 : 200);
    return view(made);
  }
}

/** Prices are set in tokens that can be paid with, so that none is set in something nobody can send. */
function tokenOf(tokens: readonly PaymentAsset[], asset: string | undefined): PaymentAsset {
  const found = asset === undefined ? tokens[0] : tokens.find(({ id }) => id === asset.toLowerCase());
  if (found) return found;
  throw new Fault(
    'invalid_request',
    `asset is not one that can be paid with here; leave it out, or give one of: ${tokens.map(({ id }) => id).join(', ')}.`,
    {
      reason: 'unknown_asset',
    },
  );
}
