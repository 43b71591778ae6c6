import { type Amount, type Decimal, ZERO, addDecimals, amount } from '@core/money';
import type { Period } from '@core/time';
import { PLAIN_PERIOD } from './period-terms.js';
import type { PriceTerms } from './price-terms.js';
import type { Priced } from './price-version.js';
import { type LinePart, costOf, rateExactly, roundLines } from './rate.js';
import { type RatedUsage, addUsage } from './rated-usage.js';

/** The usage of a span of a period, and the price in force there. */
export interface PartToRate<Price extends Priced = Priced> {
  readonly price: Price;
  readonly covered: Period;
  readonly usage: RatedUsage;
}

export interface RatedPart<Price extends Priced = Priced> extends PartToRate<Price> {
  readonly lines: readonly LinePart[];
  /** The lines rounded once. */
  readonly amount: Amount;
}

/**
 * Rates an account's usage of a meter in one period, cut where another price took over. A price that restarts is a period
 * of its own; one that continues counts on from the usage before it, and its minimum, maximum and commitment are those of
 * the whole run. A run is made up to its minimum when another begins or, the last, when the period has ended.
 * @param parts in order of time
 */
export function ratePeriod<Price extends Priced>(
  parts: readonly PartToRate<Price>[],
  { period, zone, ended }: { readonly period: Period; readonly zone: string; readonly ended: boolean },
): RatedPart<Price>[] {
  const runs = runsOf(parts);
  return runs.flatMap((run, i) => rateRun(run, period, zone, ended || i < runs.length - 1));
}

function runsOf<Price extends Priced>(parts: readonly PartToRate<Price>[]): PartToRate<Price>[][] {
  return parts.reduce<PartToRate<Price>[][]>((runs, part) => {
    const run = runs.at(-1);
    return run && continues(run, part) ? [...runs.slice(0, -1), [...run, part]] : [...runs, [part]];
  }, []);
}

/**
 * A price counts on only from usage in its own asset, for costs of two assets cannot be compared, and only where the prices
 * before it were told of usage all that it asks: else it could not say what that usage costs.
 */
function continues(run: readonly PartToRate[], { price }: PartToRate): boolean {
  return (
    (price.modifiers ?? PLAIN_PERIOD).versionChange === 'continue' &&
    run.every((part) => part.price.asset === price.asset && isTold(part.price.terms, price.terms))
  );
}

/** Whether usage that was asked for one price says what another asks. A quantity is said in any case. */
const isTold = (told: PriceTerms, asks: PriceTerms): boolean =>
  asks.needs.every((need) => need === 'quantity' || told.needs.includes(need)) &&
  asks.groupBy.every((name) => told.groupBy.includes(name)) &&
  (asks.table === undefined || asks.table === told.table);

function rateRun<Price extends Priced>(
  run: readonly PartToRate<Price>[],
  period: Period,
  zone: string,
  complete: boolean,
): RatedPart<Price>[] {
  const [first] = run;
  const end = run.at(-1)?.covered.end;
  if (!first || end === undefined) return [];
  const counted: Period = { start: first.covered.start, end };
  let before: RatedUsage | undefined;
  let beforeCost: Decimal = ZERO;
  return run.map((part, i) => {
    const last = complete && i === run.length - 1;
    const lines = rateExactly(part.price, part.usage, {
      covered: part.covered,
      period,
      zone,
      last,
      counted,
      ...(before ? { before, beforeCost } : {}),
    });
    before = before ? addUsage(before, part.usage) : part.usage;
    beforeCost = addDecimals(beforeCost, costOf(lines));
    const atomic = roundLines(part.price, lines).reduce((sum, line) => sum + line, 0n);
    return { ...part, lines, amount: amount(part.price.asset, atomic) };
  });
}
