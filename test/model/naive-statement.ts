import {
  type Fraction,
  NOTHING,
  ONE,
  compare,
  isZero,
  least,
  minus,
  most,
  plus,
  read,
  steps,
  times,
} from './fractions.js';
import { asksOf, bucketsOf, costOf, isQuotable, isUsed } from './naive-prices.js';
import { NO_NAIVE_USAGE, type NaiveUsage, type Span, together, usageOf } from './naive-usage.js';
import { type Case, DAY, NOVEMBER, OCTOBER, type Offer, eventsAt } from './story.js';

// What an account owes at a stage, from the last versions of its events and nothing that was there before.

/** What a span of service comes to, once it is charged. */
interface NaiveCharge {
  readonly offer: number;
  readonly start: number;
  readonly quantity: Fraction;
  /** Before rounding, in whole units of the asset. */
  readonly exact: Fraction;
  readonly atomic: bigint;
}

export interface NaiveBooks {
  /** The service of prices that round each line. */
  readonly charges: readonly NaiveCharge[];
  /** By asset, atomic units, since the account began. */
  readonly charged: readonly [bigint, bigint];
  readonly paid: readonly [bigint, bigint];
  readonly writtenOff: readonly [bigint, bigint];
}

/** Usage may be a little ahead of the clock. */
const AHEAD = 300_000;

interface Part extends Span {
  readonly offer: number;
  readonly usage: NaiveUsage;
}

const RANK = { override: 2, plan: 1, default: 0 } as const;

function offerAt(offers: readonly Offer[], stage: number, time: number): number | undefined {
  const inForce = [...offers.keys()].filter((i) => {
    const offer = offers[i];
    return offer && offer.stage <= stage && offer.from <= time && time < (offer.until ?? Infinity);
  });
  const rank = (i: number): number => RANK[offers[i]?.source ?? 'default'] * 1e15 + (offers[i]?.from ?? 0);
  return inForce.sort((a, b) => rank(b) - rank(a))[0];
}

function partsOf(told: Case, stage: number, month: Span, now: number): Part[] {
  const events = eventsAt(told, stage);
  const edges = told.offers
    .filter((offer) => offer.stage <= stage)
    .flatMap(({ from, until }) => [from, until ?? from])
    .filter((time) => time > month.start && time < month.end);
  const bounds = [...new Set([month.start, ...edges, month.end])].sort((a, b) => a - b);
  const spans: (Span & { offer: number })[] = [];
  bounds.slice(0, -1).forEach((start, i) => {
    const [offer, end, last] = [offerAt(told.offers, stage, start), bounds[i + 1] ?? month.end, spans.at(-1)];
    if (offer === undefined) return;
    if (last?.offer === offer && last.end === start) spans[spans.length - 1] = { ...last, end };
    else spans.push({ offer, start, end });
  });
  const parts = spans
    .filter(({ start }) => start <= now + AHEAD)
    .flatMap((span): Part[] => {
      const price = told.offers[span.offer];
      return price ? [{ ...span, usage: usageOf(told, events, span, now, bucketsOf(price)) }] : [];
    });
  const used = ({ offer, usage }: Part): boolean => {
    const price = told.offers[offer];
    return price !== undefined && isUsed(price, usage);
  };
  const isStandard = ({ offer }: Part): boolean => told.offers[offer]?.source === 'default';
  // A price for everyone concerns only who used something; what was agreed is asked in any case.
  const standardUsed = parts.some((part) => isStandard(part) && used(part));
  return parts.filter((part) => (isStandard(part) ? standardUsed : part.start <= now) || used(part));
}

const shareOf = (span: Span, month: Span, by: 'second' | 'day'): Fraction => {
  const count = (time: number): number => (by === 'second' ? time : Math.floor(time / DAY));
  return [BigInt(count(span.end) - count(span.start)), BigInt(count(month.end) - count(month.start))];
};

const atLeastNothing = (value: Fraction): Fraction => most(NOTHING, value);

interface Rated {
  readonly part: Part;
  readonly exact: Fraction;
  readonly quantity: Fraction;
}

/** Prices one after the other that count as one: the first, and those that continue. */
function rateRun(told: Case, run: readonly Part[], month: Span, complete: boolean): Rated[] {
  let before: NaiveUsage | undefined;
  let spentBefore = NOTHING;
  const counted: Span = { start: run[0]?.start ?? 0, end: run.at(-1)?.end ?? 0 };
  return run.flatMap((part, i): Rated[] => {
    const offer = told.offers[part.offer];
    if (!offer) return [];
    const { modifiers } = offer;
    const share = (of: string, span: Span): Fraction =>
      modifiers.proration?.of.includes(of) ? shareOf(span, month, modifiers.proration.by) : ONE;
    const shares = { allowances: share('allowances', counted), flat: share('flat', part) };
    const less = (usage: NaiveUsage): NaiveUsage => ({
      ...usage,
      quantity: atLeastNothing(minus(usage.quantity, read(modifiers.usageDiscount ?? '0'))),
    });
    const usage = before ? together(before, part.usage) : part.usage;
    // A flat amount for a share of the time is for that time, whatever was before it.
    const ofItsOwn = offer.model === 'flat' && (modifiers.proration?.of.includes('flat') ?? false);
    const earlier = before && !ofItsOwn ? costOf(offer, less(before), shares) : NOTHING;
    const gross = minus(costOf(offer, less(usage), shares), earlier);
    let cost = minus(gross, times(gross, read(modifiers.discount ?? '0')));
    if (modifiers.maximum !== undefined) {
      const cap = times(read(modifiers.maximum), share('maximum', counted));
      cost = least(cost, atLeastNothing(minus(cap, spentBefore)));
    }
    const spent = plus(spentBefore, cost);
    const last = complete && i === run.length - 1;
    let exact = cost;
    if (modifiers.commitment) {
      const promised = times(read(modifiers.commitment.amount), share('commitment', counted));
      const surcharge = minus(read(modifiers.commitment.overageFactor ?? '1'), ONE);
      const over = minus(atLeastNothing(minus(spent, promised)), atLeastNothing(minus(spentBefore, promised)));
      exact = plus(exact, times(over, surcharge));
      if (last && modifiers.commitment.trueUp) exact = plus(exact, atLeastNothing(minus(promised, spent)));
    }
    if (last && modifiers.minimum !== undefined) {
      const floor = times(read(modifiers.minimum), share('minimum', counted));
      exact = plus(exact, atLeastNothing(minus(floor, spent)));
    }
    before = usage;
    spentBefore = spent;
    return [{ part, exact, quantity: part.usage.quantity }];
  });
}

/** What was asked for one price, or nothing but the quantity, says what another asks. */
const knows = (before: Offer, asked: string): boolean => asked === 'quantity' || asksOf(before) === asked;

function ratedIn(told: Case, stage: number, month: Span, now: number): Rated[] {
  const runs: Part[][] = [];
  for (const part of partsOf(told, stage, month, now)) {
    const [run, offer] = [runs.at(-1), told.offers[part.offer]];
    const earlier = run?.flatMap((each) => told.offers[each.offer] ?? []);
    const continues =
      offer?.modifiers.versionChange === 'continue' &&
      earlier?.every((before) => before.asset === offer.asset && knows(before, asksOf(offer)));
    if (run && continues) run.push(part);
    else runs.push([part]);
  }
  const ended = month.end <= now;
  return runs
    .flatMap((run, i) => rateRun(told, run, month, ended || i < runs.length - 1))
    .filter(({ part }) => ended || told.offers[part.offer]?.modifiers.billing !== 'at_end');
}

/** Rounded once; what costs anything costs at least one atomic unit. */
function rounded(exact: Fraction, places: number, how: 'half-up' | 'half-even' | 'up'): bigint {
  const atomic = steps(exact, places, how);
  if (atomic !== 0n || isZero(exact)) return atomic;
  return compare(exact, NOTHING) > 0 ? 1n : -1n;
}

const naiveQuote = (told: Case, offer: Offer, quantity: string): bigint | undefined => {
  if (!isQuotable(offer)) return undefined;
  const usage = { ...NO_NAIVE_USAGE, quantity: read(quantity), values: [read(quantity)] };
  const gross = costOf(offer, usage, { allowances: ONE, flat: ONE });
  const cost = times(gross, minus(ONE, read(offer.modifiers.discount ?? '0')));
  return rounded(cost, told.places[offer.asset], offer.modifiers.rounding ?? 'half-up');
};

/** Everything that was charged up to a stage: months that are not over as they stand, those that are with their corrections. */
export function naiveBooks(told: Case, stage: 0 | 1 | 2 | 3): NaiveBooks {
  const now = told.stages[stage];
  const months = [OCTOBER, NOVEMBER].filter(({ start }) => start <= now + AHEAD);
  const charged: [bigint, bigint] = [0n, 0n];
  const paid: [bigint, bigint] = [0n, 0n];
  const writtenOff: [bigint, bigint] = [0n, 0n];
  const charges: NaiveCharge[] = [];
  const carried = new Map<number, Fraction>();
  for (const { part, exact, quantity } of months.flatMap((month) => ratedIn(told, stage, month, now))) {
    const offer = told.offers[part.offer];
    if (!offer) continue;
    if (offer.modifiers.fraction === 'carry') {
      carried.set(part.offer, plus(carried.get(part.offer) ?? NOTHING, exact));
      continue;
    }
    const atomic = rounded(exact, told.places[offer.asset], offer.modifiers.rounding ?? 'half-up');
    charged[offer.asset] += atomic;
    charges.push({ offer: part.offer, start: part.start, quantity, exact, atomic });
  }
  for (const [i, exact] of carried) {
    const offer = told.offers[i];
    if (offer) charged[offer.asset] += steps(exact, told.places[offer.asset], 'floor');
  }
  for (const call of told.paid) {
    const offer = told.offers[call.offer];
    const price = offer && call.stage <= stage ? naiveQuote(told, offer, call.quantity) : undefined;
    if (!offer || price === undefined) continue;
    charged[offer.asset] += price;
    const failed = call.fails !== undefined && call.fails <= stage;
    if (failed) writtenOff[offer.asset] += price;
    else paid[offer.asset] += price;
  }
  return { charges, charged, paid, writtenOff };
}
