import { type Decimal, formatDecimal, multiplyDecimals, parseDecimal } from '@core/money';

/** The terms of a price: what a quantity costs, exactly. */
export interface PriceTerms {
  /** Name of the model in the registry. */
  readonly model: string;
  /** What the model needs, in one form: stored with the price and shown to readers. */
  readonly definition: Readonly<Record<string, string>>;
  /** Exact cost of a quantity in whole units of the asset, e.g. in USDC. */
  cost(quantity: Decimal): Decimal;
}

/** Reads a definition: the terms, or a sentence that says what is wrong with it. */
export type PriceModel = (definition: unknown) => PriceTerms | { readonly problem: string };

const RATE_PLACES = 18;
const RATE_FORM = `"rate" must be a plain decimal string of zero or more with at most ${RATE_PLACES} decimal places, in whole units of the asset for one unit of the meter, e.g. "0.004".`;

const perUnit: PriceModel = (definition) => {
  const given = fieldsOf(definition);
  const stray = Object.keys(given).find((name) => name !== 'rate');
  if (stray !== undefined) return { problem: `A per_unit price has no "${stray.slice(0, 64)}"; it has "rate" only.` };
  const rate = typeof given.rate === 'string' ? parseDecimal(given.rate) : undefined;
  if (!rate || rate.units < 0n || rate.scale > RATE_PLACES || rate.units >= 10n ** 38n) return { problem: RATE_FORM };
  return {
    model: 'per_unit',
    definition: { rate: formatDecimal(rate) },
    cost: (quantity) => multiplyDecimals(quantity, rate),
  };
};

/** The seam for further models: a name, and how its definition becomes terms. */
export const PRICE_MODELS: ReadonlyMap<string, PriceModel> = new Map([['per_unit', perUnit]]);

/** Reads a price's model and definition, as sent or as stored. */
export function readTerms(model: string, definition: unknown): PriceTerms | { readonly problem: string } {
  const read = PRICE_MODELS.get(model);
  return read
    ? read(definition)
    : { problem: `There is no price model "${model.slice(0, 64)}"; there is: ${[...PRICE_MODELS.keys()].join(', ')}.` };
}

function fieldsOf(definition: unknown): Record<string, unknown> {
  return typeof definition === 'object' && definition !== null && !Array.isArray(definition) ? { ...definition } : {};
}
