import type { Problem } from './definition.js';
import { flat, packaged, perUnit } from './models/unit-prices.js';
import { graduated, stairStep, volume } from './models/tiers.js';
import { dynamic } from './models/dynamic.js';
import { matrix } from './models/matrix.js';
import { percentage } from './models/percentage.js';
import { timeOfDay } from './models/time-of-day.js';
import type { PriceModel, PriceTerms } from './price-terms.js';

/** The seam for further models: a name, and how its definition becomes terms. */
export const PRICE_MODELS: ReadonlyMap<string, PriceModel> = new Map([
  ['per_unit', perUnit],
  ['flat', flat],
  ['package', packaged],
  ['graduated', graduated],
  ['volume', volume],
  ['stair_step', stairStep],
  ['percentage', percentage],
  ['dynamic', dynamic],
  ['matrix', matrix],
  ['time_of_day', timeOfDay],
]);

/** Reads a price's model and definition, as sent or as stored. */
export function readTerms(model: string, definition: unknown): PriceTerms | Problem {
  const read = PRICE_MODELS.get(model);
  return read
    ? read(definition)
    : { problem: `There is no price model "${model.slice(0, 64)}"; there is: ${[...PRICE_MODELS.keys()].join(', ')}.` };
}
