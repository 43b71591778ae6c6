import {
  type Fraction,
  NOTHING,
  compare,
  isZero,
  least,
  minus,
  most,
  over,
  plus,
  read,
  settled,
  times,
  total,
} from './fractions.js';
import { type NaiveUsage, type Span, inOrder } from './naive-usage.js';
import { type Bucket, DAY, type Model, type Offer, QUARTER, type Tier } from './story.js';

// Prices by their definitions, in fractions: unit tiers from below, events one by one, the wall's clock from a list of offsets.

/** A price without a rate for some usage. */
export class NoRate extends Error {}

const beyond = (quantity: Fraction, allowance: Fraction): Fraction => most(NOTHING, minus(quantity, allowance));
const given = (text: string | undefined): Fraction => read(text ?? '0');

/** What of a quantity lies between two bounds. */
const between = (quantity: Fraction, from: Fraction, to: Fraction | undefined): Fraction =>
  beyond(to ? least(quantity, to) : quantity, from);

const tierIndex = (tiers: readonly Tier[], quantity: Fraction): number =>
  tiers.findIndex(({ upTo }) => upTo === undefined || compare(quantity, read(upTo)) <= 0);

function tieredCost(
  model: 'graduated' | 'volume' | 'stair_step',
  tiers: readonly Tier[],
  quantity: Fraction,
): Fraction {
  const reached = tierIndex(tiers, quantity);
  const own = tiers[reached];
  if (model === 'stair_step') return given(own?.flat);
  if (model === 'volume') return plus(times(quantity, given(own?.rate)), given(own?.flat));
  return total(
    tiers.slice(0, reached + 1).map(({ upTo, rate, flat }, i) => {
      const from = given(tiers[i - 1]?.upTo);
      return plus(
        times(between(quantity, from, upTo === undefined ? undefined : read(upTo)), given(rate)),
        given(flat),
      );
    }),
  );
}

type Percentage = Extract<Model, { model: 'percentage' }>['definition'];
type TimeOfDay = Extract<Model, { model: 'time_of_day' }>['definition'];

const isPerEvent = ({ fee, freeEvents, minPerEvent, maxPerEvent }: Percentage): boolean =>
  [fee, freeEvents, minPerEvent, maxPerEvent].some((bound) => bound !== undefined);

function percentageCost(
  terms: Percentage,
  usage: NaiveUsage,
  share: (allowance: Fraction) => Fraction,
  part: Share,
): Fraction {
  const free = share(given(terms.freeBase));
  if (!isPerEvent(terms)) return times(beyond(usage.quantity, free), read(terms.rate));
  const cap = (cost: Fraction): Fraction =>
    terms.maxPerEvent === undefined ? cost : least(cost, read(terms.maxPerEvent));
  let left = free;
  const costs = inOrder(usage.values).map((value) => {
    if (!isZero(left) && compare(value, left) <= 0) {
      left = minus(left, value);
      return cap(given(terms.fee));
    }
    const cost = plus(times(minus(value, left), read(terms.rate)), given(terms.fee));
    left = NOTHING;
    return cap(most(cost, given(terms.minPerEvent)));
  });
  const freeEvents = Number(settled(times(given(terms.freeEvents), part), 0, 'up')[0]);
  return total(inOrder(costs).slice(0, Math.max(0, costs.length - freeEvents)));
}

/** A fraction of a period. */
export type Share = Fraction;

/** The cost of usage, with allowances or a flat amount for a share of the period. */
export function costOf(price: Model, usage: NaiveUsage, shares: { allowances: Share; flat: Share }): Fraction {
  // A prorated allowance has the 18 places a quantity has.
  const share = (allowance: Fraction): Fraction => settled(times(allowance, shares.allowances), 18, 'half-even');
  switch (price.model) {
    case 'flat':
      return times(read(price.definition.amount), shares.flat);
    case 'per_unit':
      return times(beyond(usage.quantity, share(given(price.definition.allowance))), read(price.definition.rate));
    case 'package': {
      const packages = over(beyond(usage.quantity, share(given(price.definition.free))), read(price.definition.size));
      return times(settled(packages, 0, 'up'), read(price.definition.amount));
    }
    case 'graduated':
    case 'volume':
    case 'stair_step': {
      const { model, definition } = price;
      return definition.per === 'group'
        ? total([...usage.groups.values()].map((quantity) => tieredCost(model, definition.tiers, quantity)))
        : tieredCost(model, definition.tiers, usage.quantity);
    }
    case 'percentage':
      return percentageCost(price.definition, usage, share, shares.allowances);
    case 'dynamic':
      return times(usage.cost, read(price.definition.multiplier ?? '1'));
    case 'matrix': {
      const { rates, default: otherwise } = price.definition;
      return total(
        [...usage.groups].map(([region, quantity]) => {
          const rate = rates.find(({ match }) => match.region === region)?.rate ?? otherwise;
          if (isZero(quantity)) return NOTHING;
          if (rate === undefined) throw new NoRate(region);
          return times(quantity, read(rate));
        }),
      );
    }
    case 'time_of_day': {
      const { buckets, default: otherwise } = price.definition;
      return total(
        [...usage.buckets].map(([name, quantity]) =>
          times(quantity, read(buckets.find((bucket) => bucket.name === name)?.rate ?? otherwise)),
        ),
      );
    }
  }
}

const HOUR = 3_600_000;
/** Hours off UTC in the autumn of 2026. */
const OFFSETS: Readonly<Record<string, (time: number) => number>> = {
  UTC: () => 0,
  'Asia/Kolkata': () => 5.5,
  'Europe/Berlin': (time) => (time < Date.UTC(2026, 9, 25, 1) ? 2 : 1),
  'America/Los_Angeles': (time) => (time < Date.UTC(2026, 10, 1, 9) ? -7 : -8),
};

const minutes = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));

/** For each bucket in turn: whether a weekday (1 to 7) and minute on the wall's clock fall in it. */
function tableOf({ from, to, days }: Bucket): (weekday: number, minute: number) => boolean {
  const [start, end] = [minutes(from), minutes(to)];
  const begunOn = (day: number): boolean => days === undefined || days.includes(((day + 6) % 7) + 1);
  if (end > start) return (weekday, minute) => begunOn(weekday) && minute >= start && minute < end;
  return (weekday, minute) => (begunOn(weekday) && minute >= start) || (begunOn(weekday - 1) && minute < end);
}

const cut = new WeakMap<Model, Map<number, ReadonlyMap<string, readonly Span[]>>>();

/** Cuts spans by the buckets of a price; undefined for prices that have none. */
export function bucketsOf(price: Model): ((span: Span) => ReadonlyMap<string, readonly Span[]>) | undefined {
  if (price.model !== 'time_of_day') return undefined;
  const known = cut.get(price) ?? new Map<number, ReadonlyMap<string, readonly Span[]>>();
  cut.set(price, known);
  return (span) => {
    const key = span.start * 3 + span.end;
    const spans = known.get(key) ?? bucketSpans(price.definition, span);
    known.set(key, spans);
    return spans;
  };
}

/** The tables change on quarters of an hour, in every zone. */
function bucketSpans({ zone, buckets }: TimeOfDay, span: Span): Map<string, Span[]> {
  const tables = buckets.map((bucket) => ({ name: bucket.name, holds: tableOf(bucket) }));
  const spans = new Map<string, Span[]>();
  for (let at = span.start; at < span.end;) {
    const next = Math.min(at - (at % QUARTER) + QUARTER, span.end);
    const local = at + (OFFSETS[zone]?.(at) ?? NaN) * HOUR;
    // 1 January 1970 was a Thursday, the fourth day.
    const weekday = ((Math.floor(local / DAY) + 3) % 7) + 1;
    const minute = Math.floor((local % DAY) / 60_000);
    const name = tables.find(({ holds }) => holds(weekday, minute))?.name ?? 'default';
    const own = spans.get(name) ?? [];
    const last = own.at(-1);
    if (last?.end === at) own[own.length - 1] = { start: last.start, end: next };
    else own.push({ start: at, end: next });
    spans.set(name, own);
    at = next;
  }
  return spans;
}

/** Whether the price is told of something that was used. */
export function isUsed(price: Model, usage: NaiveUsage): boolean {
  if (!isZero(usage.quantity)) return true;
  switch (price.model) {
    case 'percentage':
      return isPerEvent(price.definition) && usage.values.length > 0;
    case 'dynamic':
      return !isZero(usage.cost);
    case 'matrix':
      return [...usage.groups.values()].some((quantity) => !isZero(quantity));
    case 'graduated':
    case 'volume':
    case 'stair_step':
      return price.definition.per === 'group' && [...usage.groups.values()].some((quantity) => !isZero(quantity));
    case 'time_of_day':
      return [...usage.buckets.values()].some((quantity) => !isZero(quantity));
    case 'flat':
    case 'per_unit':
    case 'package':
      return false;
  }
}

/** What a price asks about usage beyond its quantity, in a word. */
export function asksOf(price: Model): string {
  switch (price.model) {
    case 'percentage':
      return isPerEvent(price.definition) ? 'values' : 'quantity';
    case 'dynamic':
      return 'costs';
    case 'matrix':
      return 'regions';
    case 'graduated':
    case 'volume':
    case 'stair_step':
      return price.definition.per === 'group' ? 'regions' : 'quantity';
    case 'time_of_day': {
      const { zone, buckets } = price.definition;
      return JSON.stringify([zone, buckets.map(({ name, from, to, days }) => [name, from, to, days])]);
    }
    case 'flat':
    case 'per_unit':
    case 'package':
      return 'quantity';
  }
}

/** Whether one request can be paid for by itself at a price. */
export function isQuotable(offer: Offer): boolean {
  const { usageDiscount, maximum, minimum, commitment, fraction } = offer.modifiers;
  const ofPeriod = [usageDiscount, maximum, minimum, commitment].some((modifier) => modifier !== undefined);
  if (ofPeriod || fraction === 'carry') return false;
  const byQuantity = ['per_unit', 'package', 'percentage'].includes(offer.model);
  return byQuantity || (offer.model === 'graduated' && offer.definition.per === undefined);
}
