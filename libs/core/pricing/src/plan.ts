import { type Instant, type Period } from '@core/time';
import { DefinitionReader, type PriceDefinitionJson, type Problem, isProblem } from './definition.js';
import { PLAIN_PERIOD, type PeriodTerms, readPeriodTerms } from './period-terms.js';
import { readTerms } from './price-model.js';
import type { PriceTerms } from './price-terms.js';

/** One price of a plan: of a meter, or a flat amount with a name of its own. */
interface PlanItem {
  /** Name or id of the meter as it was given; absent for a flat item. */
  readonly meter?: string;
  /** What the statement calls a flat item; absent for a meter's. */
  readonly name?: string;
  readonly terms: PriceTerms;
  readonly modifiers: PeriodTerms;
}

/** What a version of a plan consists of. Versions never change: another bundle is another version. */
export interface PlanTerms {
  /** Canonical JSON of the items, stored with the version. */
  readonly definition: PriceDefinitionJson;
  readonly items: readonly PlanItem[];
}

/** Reads the items of a plan, as sent or as stored: at least one, no meter and no name twice. */
export function readPlan(definition: unknown): PlanTerms | Problem {
  const plan = new DefinitionReader('A plan', definition, ['items']);
  const items: PlanItem[] = [];
  const written: PriceDefinitionJson[] = [];
  const places = new Map<string, number>();
  for (const [i, entry] of plan.list('items', 'items', 500).entries()) {
    const item = readItem(entry, i + 1);
    if (isProblem(item)) {
      plan.refuse(item.problem);
      break;
    }
    const what = item.meter === undefined ? `the name "${item.name ?? ''}"` : `a price for meter "${item.meter}"`;
    const first = places.get(what);
    if (first !== undefined) plan.refuse(`Items ${first} and ${i + 1} both have ${what}; a plan has one.`);
    places.set(what, i + 1);
    items.push(item);
    written.push({
      ...(item.meter === undefined ? { name: item.name ?? '' } : { meter: item.meter }),
      model: item.terms.model,
      definition: item.terms.definition,
      ...(Object.keys(item.modifiers.definition).length > 0 ? { modifiers: item.modifiers.definition } : {}),
    });
  }
  return plan.problem === undefined ? { definition: { items: written }, items } : { problem: plan.problem };
}

function readItem(entry: unknown, place: number): PlanItem | Problem {
  const item = new DefinitionReader(`Item ${place}`, entry, ['meter', 'name', 'model', 'definition', 'modifiers']);
  const metered = item.has('meter');
  if (metered && item.has('name')) item.refuse(`Item ${place} has a "meter" or, when it is flat, a "name"; not both.`);
  const called = metered
    ? { meter: item.text('meter', 'the name or id of a meter') }
    : { name: item.text('name', 'what the statement calls a flat item, or give a "meter"') };
  const model = item.text('model', 'the name of a price model');
  if (item.problem !== undefined) return { problem: item.problem };
  const terms = readTerms(model, item.raw('definition'));
  if (isProblem(terms)) return { problem: `Item ${place}: ${terms.problem}` };
  if (!metered && terms.needs.length > 0) {
    return { problem: `Item ${place} has no meter, so its model is flat: a ${model} price needs usage to price.` };
  }
  const modifiers = item.has('modifiers') ? readPeriodTerms(item.raw('modifiers'), terms) : PLAIN_PERIOD;
  return isProblem(modifiers) ? { problem: `Item ${place}: ${modifiers.problem}` } : { ...called, terms, modifiers };
}

/** A price that may be in force for an account: a version, an override, or a plan's item while the account is on it. */
export interface Offered {
  readonly meter: string;
  readonly effectiveAt: Instant;
  /** Where it ends although nothing follows; absent: open. */
  readonly until?: Instant | undefined;
}

/** Where an account's price of a meter may come from. */
export interface PriceSources<Price extends Offered> {
  /** Agreed with this account alone. */
  readonly overrides: readonly Price[];
  /** Of the plan versions the account is on, each from when it came onto it until it left. */
  readonly planItems: readonly Price[];
  /** The provider's own versions, for every account. */
  readonly defaults: readonly Price[];
}

interface ResolvedPrice<Price> {
  readonly source: 'override' | 'plan' | 'default';
  readonly price: Price;
}

/** The price of a meter for an account at an instant: its override, else its plan's, else the provider's. */
export function resolvePrice<Price extends Offered>(
  meter: string,
  sources: PriceSources<Price>,
  at: Instant,
): ResolvedPrice<Price> | undefined {
  const inForce = (offers: readonly Price[]): Price | undefined =>
    offers
      .filter((offer) => offer.meter === meter && offer.effectiveAt <= at)
      .filter(({ until }) => until === undefined || at < until)
      .reduce<Price | undefined>(
        (latest, one) => (latest && latest.effectiveAt >= one.effectiveAt ? latest : one),
        undefined,
      );
  const override = inForce(sources.overrides);
  if (override) return { source: 'override', price: override };
  const item = inForce(sources.planItems);
  if (item) return { source: 'plan', price: item };
  const standard = inForce(sources.defaults);
  return standard && { source: 'default', price: standard };
}

/** A span in which one price is in force for an account. */
interface ResolvedPart<Price> extends ResolvedPrice<Price> {
  readonly period: Period;
}

/** A period cut wherever another price comes into force for the account. Time without a price is left out. */
export function resolveParts<Price extends Offered>(
  meter: string,
  sources: PriceSources<Price>,
  period: Period,
): ResolvedPart<Price>[] {
  const edges = [sources.overrides, sources.planItems, sources.defaults]
    .flat()
    .filter((offer) => offer.meter === meter)
    .flatMap(({ effectiveAt, until }) => (until === undefined ? [effectiveAt] : [effectiveAt, until]))
    .filter((at) => at > period.start && at < period.end);
  const starts = [...new Set([period.start, ...edges])].sort((a, b) => a - b);
  return starts.reduce<ResolvedPart<Price>[]>((parts, start, i) => {
    const end = starts[i + 1] ?? period.end;
    const found = start < end ? resolvePrice(meter, sources, start) : undefined;
    const before = parts.at(-1);
    if (!found) return parts;
    return before?.price === found.price
      ? [...parts.slice(0, -1), { ...before, period: { start: before.period.start, end } }]
      : [...parts, { ...found, period: { start, end } }];
  }, []);
}
