import { Fault } from '@core/faults';
import { type Asset, currency } from '@core/money';
import { type PaymentAsset, RELEASE_LEVELS } from '@core/payments';
import { PRICE_MODELS } from '@core/pricing';
import { PRICE_SOURCES, type StoredPrice } from '@features/pricing';
import { z } from 'zod';
import { shown, time } from './fields.js';

// Prices as they travel. Core reads model, definition and modifiers, and says what is wrong with them.

const MODELS = [...PRICE_MODELS.keys()];

/** What a price says, without the meter and the instant. */
export const priceFields = {
  model: z.enum(MODELS).default('per_unit'),
  definition: z
    .record(z.string(), z.unknown())
    .describe(
      'What the model needs, money in whole units of the asset. per_unit: { "rate": "0.004", "allowance"?: "1000" } · ' +
        'graduated, volume, stair_step: { "tiers": [{ "upTo"?: "100", "rate"?: "0.1", "flat"?: "5" }] }, the last without upTo.',
    ),
  modifiers: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('What holds over a month: minimum, maximum, commitment, discounts, proration, rounding.'),
  asset: z
    .string()
    .optional()
    .describe(
      'Asset id; the USDC of the chain when absent. A currency, "iso4217:EUR", is billed and not sold at the gate.',
    ),
};

export const price = z.object({
  id: z.string(),
  meter: z.string().describe('Empty for a price without a meter.'),
  name: z.string().optional().describe('Of a price without a meter.'),
  source: z.enum(PRICE_SOURCES),
  account: z.string().optional().describe('The account it is agreed with.'),
  model: z.string(),
  definition: z.record(z.string(), z.unknown()),
  modifiers: z.record(z.string(), z.unknown()),
  asset: z.string(),
  assetDecimals: z.int(),
  release: z.enum(RELEASE_LEVELS),
  effectiveAt: shown.time,
  createdAt: shown.time,
});

export const priceView = (each: StoredPrice) => ({
  id: each.id,
  meter: each.meter,
  name: each.name,
  source: each.source,
  account: each.account,
  model: each.terms.model,
  definition: each.terms.definition,
  modifiers: each.modifiers.definition,
  asset: each.asset,
  assetDecimals: each.assetDecimals,
  release: each.release,
  effectiveAt: time(each.effectiveAt),
  createdAt: time(each.createdAt),
});

/** Tokens that can be paid with here, and currencies: so that no price is set in something nobody can send. */
export function assetOf(tokens: readonly PaymentAsset[], asked: string | undefined): Pick<Asset, 'id' | 'decimals'> {
  const code = /^iso4217:([A-Za-z]{3})$/.exec(asked ?? '')?.[1];
  const found =
    asked === undefined
      ? tokens[0]
      : code === undefined
        ? tokens.find(({ id }) => id === asked.toLowerCase())
        : currency(code.toUpperCase());
  if (found) return { id: found.id, decimals: found.decimals };
  throw new Fault(
    'invalid_request',
    `asset is not one that can be billed here; leave it out, give a currency such as iso4217:EUR, or one of: ${tokens.map(({ id }) => id).join(', ')}.`,
    { reason: 'unknown_asset' },
  );
}
