import {
  type Decimal,
  ZERO,
  addDecimals,
  compareDecimals,
  formatDecimal,
  multiplyDecimals,
  subtractDecimals,
} from '@core/money';
import { DefinitionReader, type PriceDefinitionJson, canonical, isProblem } from '../definition.js';
import type { Problem } from '../definition.js';
import type { PriceModel, PriceTerms } from '../price-terms.js';
import { dimensionsOf, foldedBy } from './groups.js';
import { mirrored } from './unit-prices.js';

/** A step of a tiered price. Its upper bound belongs to it; it begins where the one before ends. */
interface Tier {
  /** Absent: without end. */
  readonly upTo: Decimal | undefined;
  readonly rate: Decimal | undefined;
  readonly flat: Decimal | undefined;
}

/** Units in each tier at the tier's rate, and the flat fee of each tier entered. The first is entered at zero. */
function graduatedCost(tiers: readonly Tier[], quantity: Decimal): Decimal {
  let from = ZERO;
  let cost = ZERO;
  for (const [i, tier] of tiers.entries()) {
    if (i > 0 && compareDecimals(quantity, from) <= 0) break;
    const within = tier.upTo && compareDecimals(quantity, tier.upTo) > 0 ? tier.upTo : quantity;
    cost = addDecimals(cost, multiplyDecimals(subtractDecimals(within, from), tier.rate ?? ZERO));
    cost = addDecimals(cost, tier.flat ?? ZERO);
    if (!tier.upTo) break;
    from = tier.upTo;
  }
  return cost;
}

const tierOf = (tiers: readonly Tier[], quantity: Decimal): Tier | undefined =>
  tiers.find(({ upTo }) => upTo === undefined || compareDecimals(quantity, upTo) <= 0);

/** All units at the rate of the tier that holds the quantity, and that tier's flat fee. */
function volumeCost(tiers: readonly Tier[], quantity: Decimal): Decimal {
  const tier = tierOf(tiers, quantity);
  return addDecimals(multiplyDecimals(quantity, tier?.rate ?? ZERO), tier?.flat ?? ZERO);
}

const steppedCost = (tiers: readonly Tier[], quantity: Decimal): Decimal => tierOf(tiers, quantity)?.flat ?? ZERO;

interface TieredModel {
  readonly name: string;
  readonly fields: readonly ['rate', 'flat'] | readonly ['flat'];
  readonly limits?: Pick<PriceTerms, 'unquotable' | 'indivisible'>;
  readonly cost: (tiers: readonly Tier[], quantity: Decimal) => Decimal;
}

const tiered =
  ({ name, fields, limits, cost }: TieredModel): PriceModel =>
  (definition) => {
    const read = new DefinitionReader(`A ${name} price`, definition, ['tiers', 'per', 'groupBy']);
    const tiers = readTiers(read.list('tiers', 'tiers', 100), fields);
    if (isProblem(tiers)) read.refuse(tiers.problem);
    const per = read.choice('per', ['total', 'group']);
    const groupBy = per === 'group' || read.has('groupBy') ? dimensionsOf(read, 'groupBy') : [];
    if (per === 'total' && groupBy.length > 0) {
      read.refuse(
        `${read.subject} has "groupBy" only with "per": "group"; tiers of the total take all groups together.`,
      );
    }
    if (read.problem !== undefined || isProblem(tiers)) return { problem: read.problem ?? '' };
    const one = (quantity: Decimal): Decimal => mirrored(quantity, (units) => cost(tiers, units));
    return {
      model: name,
      definition: canonical({
        tiers: tiers.map(written),
        per: per === 'group' ? per : undefined,
        groupBy: per === 'group' ? groupBy : undefined,
      }),
      needs: per === 'group' ? ['quantity', 'groups'] : ['quantity'],
      groupBy,
      ...limits,
      cost: (usage) => (per === 'group' ? foldedBy(usage, groupBy, name, one) : one(usage.quantity)),
    };
  };

const written = ({ upTo, rate, flat }: Tier): PriceDefinitionJson => canonical({ upTo, rate, flat });

function readTiers(entries: readonly unknown[], fields: TieredModel['fields']): readonly Tier[] | Problem {
  const tiers: Tier[] = [];
  for (const [i, entry] of entries.entries()) {
    const place = `Tier ${i + 1}`;
    const read = new DefinitionReader(place, entry, ['upTo', ...fields]);
    const tier: Tier = {
      upTo: read.optionalDecimal('upTo', 'above zero'),
      rate: read.optionalDecimal('rate'),
      flat: read.optionalDecimal('flat'),
    };
    if (!fields.some((field) => read.has(field))) {
      read.refuse(`${place} needs a price: ${fields.length > 1 ? '"rate", "flat" or both' : '"flat"'}.`);
    }
    const before = tiers.at(-1)?.upTo;
    const last = i === entries.length - 1;
    if (last && tier.upTo) read.refuse('The last tier must have no "upTo": it holds whatever is beyond the others.');
    if (!last && !tier.upTo) read.refuse(`${place} needs "upTo": only the last tier is without end.`);
    if (tier.upTo && before && compareDecimals(tier.upTo, before) <= 0) {
      const [to, from] = [formatDecimal(tier.upTo), formatDecimal(before)];
      read.refuse(
        `${place} starts before tier ${i} ends: its "upTo" is ${to}, and tier ${i} goes up to ${from}. Order tiers by rising "upTo".`,
      );
    }
    if (read.problem !== undefined) return { problem: read.problem };
    tiers.push(tier);
  }
  return tiers;
}

export const graduated = tiered({ name: 'graduated', fields: ['rate', 'flat'], cost: graduatedCost });

export const volume = tiered({
  name: 'volume',
  fields: ['rate', 'flat'],
  limits: {
    unquotable: 'Which tier a request is in is known when the period has ended.',
    indivisible: 'A volume price is billed when its period has ended, because the tier of earlier units can change.',
  },
  cost: volumeCost,
});

export const stairStep = tiered({
  name: 'stair_step',
  fields: ['flat'],
  limits: { unquotable: 'It is an amount for the whole quantity of a period, not for a request.' },
  cost: steppedCost,
});
