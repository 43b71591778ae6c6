import { type Decimal, compareDecimals, formatDecimal } from '@core/money';
import { DefinitionReader, type PriceDefinitionJson, type Problem, canonical, listed } from './definition.js';
import type { PriceTerms } from './price-terms.js';

/** What proration makes smaller when a period is covered in part. */
export type Prorated = 'flat' | 'minimum' | 'maximum' | 'commitment' | 'allowances';

/** An amount an account promises to spend in a period. All money in whole units of the asset. */
interface Commitment {
  readonly amount: Decimal;
  /** What one unit of money beyond the amount is charged as; 1 when there is no surcharge. */
  readonly overageFactor: Decimal;
  /** Whether the rest of the amount is charged when less was spent. */
  readonly trueUp: boolean;
}

/** How the cost of a period becomes what is charged. Stored beside the model on the same price version. */
export interface PeriodTerms {
  /** Canonical JSON; {} when there is nothing to say. */
  readonly definition: PriceDefinitionJson;
  /** Units of each period that are not priced. */
  readonly usageDiscount?: Decimal;
  /** Fraction of the cost that is taken off, 0 to 1. */
  readonly discount?: Decimal;
  readonly maximum?: Decimal;
  readonly minimum?: Decimal;
  readonly commitment?: Commitment;
  readonly proration?: { readonly by: 'second' | 'day'; readonly of: readonly Prorated[] };
  /** Whether tiers and allowances begin anew when this version takes over inside a period, or run on. */
  readonly versionChange: 'restart' | 'continue';
  readonly rounding: 'half-up' | 'half-even' | 'up';
  /** Whether each line is rounded, or the fraction is carried to the account's next line of this price. */
  readonly fraction: 'line' | 'carry';
  /** Whether charges grow with usage, or are made when the period has ended. */
  readonly billing: 'continuous' | 'at_end';
}

/** What holds when a price says nothing. */
export const PLAIN_PERIOD: PeriodTerms = {
  definition: {},
  versionChange: 'restart',
  rounding: 'half-up',
  fraction: 'line',
  billing: 'continuous',
};

const FIELDS = [
  'usageDiscount',
  'discount',
  'maximum',
  'minimum',
  'commitment',
  'proration',
  'versionChange',
  'rounding',
  'fraction',
  'billing',
];
const PRORATED: readonly Prorated[] = ['flat', 'minimum', 'maximum', 'commitment', 'allowances'];
const ONE: Decimal = { units: 1n, scale: 0 };

/**
 * Reads the modifiers of a period, as sent or as stored; with the terms they go with, also whether the two fit.
 * @param definition undefined and {} both mean none
 */
export function readPeriodTerms(definition: unknown, terms?: PriceTerms): PeriodTerms | Problem {
  const read = new DefinitionReader('The period of a price', definition ?? {}, FIELDS);
  const usageDiscount = read.optionalDecimal('usageDiscount');
  const discount = read.optionalDecimal('discount', 'at most one');
  const maximum = read.optionalDecimal('maximum');
  const minimum = read.optionalDecimal('minimum');
  const commitment = readCommitment(read);
  const proration = readProration(read);
  const modifiers = {
    ...(usageDiscount && { usageDiscount }),
    ...(discount && { discount }),
    ...(maximum && { maximum }),
    ...(minimum && { minimum }),
    ...(commitment && { commitment }),
    ...(proration && { proration }),
    versionChange: read.choice('versionChange', ['restart', 'continue']),
    rounding: read.choice('rounding', ['half-up', 'half-even', 'up']),
    fraction: read.choice('fraction', ['line', 'carry']),
    billing: read.choice('billing', ['continuous', 'at_end']),
  };
  const problem = read.problem ?? contradictionIn(modifiers) ?? (terms && misfitOf(modifiers, terms));
  return problem === undefined ? { definition: written(modifiers), ...modifiers } : { problem };
}

type Modifiers = Omit<PeriodTerms, 'definition'>;

function readCommitment(period: DefinitionReader): Commitment | undefined {
  if (!period.has('commitment')) return undefined;
  const read = new DefinitionReader('A commitment', period.raw('commitment'), ['amount', 'overageFactor', 'trueUp']);
  const trueUp = read.raw('trueUp') ?? false;
  if (typeof trueUp !== 'boolean') read.refuse('A commitment: "trueUp" must be true or false.');
  const commitment = {
    amount: read.decimal('amount', 'above zero'),
    overageFactor: read.optionalDecimal('overageFactor') ?? ONE,
    trueUp: trueUp === true,
  };
  if (read.problem !== undefined) period.refuse(read.problem);
  return commitment;
}

function readProration(period: DefinitionReader): PeriodTerms['proration'] {
  if (!period.has('proration')) return undefined;
  const read = new DefinitionReader('A proration', period.raw('proration'), ['by', 'of']);
  const by = read.choice('by', ['second', 'day']);
  const entries = read.list('of', 'things to prorate', PRORATED.length);
  const of = PRORATED.filter((name) => entries.includes(name));
  if (of.length < entries.length) read.refuse(`A proration: "of" lists some of ${listed(PRORATED)}, none twice.`);
  if (read.problem !== undefined) period.refuse(read.problem);
  return { by, of };
}

function contradictionIn({ minimum, maximum, commitment, rounding, fraction }: Modifiers): string | undefined {
  if (commitment && (minimum ?? maximum)) {
    return 'A price has a commitment or a minimum and maximum, not both: a commitment is itself what a period is made up to.';
  }
  if (minimum && maximum && compareDecimals(minimum, maximum) > 0) {
    return `The minimum ${formatDecimal(minimum)} is above the maximum ${formatDecimal(maximum)}.`;
  }
  if (fraction === 'carry' && rounding !== 'half-up') {
    return 'A price that carries its fractions rounds nothing: leave "rounding" out.';
  }
  return undefined;
}

function misfitOf(modifiers: Modifiers, { model, needs }: PriceTerms): string | undefined {
  const byQuantityAlone = needs.length === 1 && needs[0] === 'quantity';
  if (modifiers.usageDiscount && !byQuantityAlone) {
    return `A usage discount takes units off one quantity, and this ${model} price is not reckoned from one quantity alone.`;
  }
  return undefined;
}

/** What differs from the plain period, in one order. */
function written(modifiers: Modifiers): PriceDefinitionJson {
  const { usageDiscount, discount, maximum, minimum, commitment, proration } = modifiers;
  const word = (name: 'versionChange' | 'rounding' | 'fraction' | 'billing'): string | undefined =>
    modifiers[name] === PLAIN_PERIOD[name] ? undefined : modifiers[name];
  return canonical({
    usageDiscount,
    discount,
    maximum,
    minimum,
    commitment:
      commitment &&
      canonical({
        amount: commitment.amount,
        overageFactor: compareDecimals(commitment.overageFactor, ONE) === 0 ? undefined : commitment.overageFactor,
        trueUp: commitment.trueUp || undefined,
      }),
    proration: proration && canonical({ by: proration.by, of: proration.of }),
    versionChange: word('versionChange'),
    rounding: word('rounding'),
    fraction: word('fraction'),
    billing: word('billing'),
  });
}
