import {
  type Fraction,
  NOTHING,
  ONE,
  compare,
  least,
  most,
  over,
  plus,
  read,
  settled,
  times,
  total,
  whole,
} from './fractions.js';
import type { Case, Happening, MeterStory } from './story.js';

// Usage by its definition: every event by itself, every range from the beginning, nothing derived and nothing kept.

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Seen {
  readonly event: Happening;
  readonly order: number;
}

const regionsAt = ({ versions }: MeterStory, time: number): readonly string[] | undefined =>
  [...versions].reverse().find(({ from }) => from <= time)?.regions;

function counts(meter: MeterStory, { time, region, user, action }: Happening): boolean {
  const regions = regionsAt(meter, time);
  const follows = meter.aggregation === 'duration' && action !== 'start' && region === undefined;
  if (regions && !follows && !(region !== undefined && regions.includes(region))) return false;
  return meter.aggregation !== 'unique' || user !== undefined;
}

export const counted = (meter: MeterStory, events: readonly Seen[]): Seen[] =>
  events.filter(({ event }) => counts(meter, event)).sort((a, b) => a.event.time - b.event.time || a.order - b.order);

/** A height held for a time: a level, or the weight of a run. */
interface Held extends Span {
  readonly height: Fraction;
}

const byResource = (events: readonly Seen[]): (readonly Seen[])[] =>
  [...new Set(events.map(({ event }) => event.resource))].map((resource) =>
    events.filter(({ event }) => event.resource === resource),
  );

/** The level at an instant: the last absolute one, and every change since that instant. */
function levelAt(own: readonly Seen[], time: number): Fraction {
  const before = own.filter(({ event }) => event.time <= time);
  const last = before.filter(({ event }) => event.level !== undefined).at(-1);
  const changes = before.filter(
    ({ event }) => event.delta !== undefined && event.time >= (last?.event.time ?? -Infinity),
  );
  return plus(read(last?.event.level ?? '0'), total(changes.map(({ event }) => read(event.delta ?? '0'))));
}

function levels(events: readonly Seen[]): Held[] {
  return byResource(events).flatMap((own) =>
    own.map(({ event }, i) => ({
      start: event.time,
      end: own[i + 1]?.event.time ?? Infinity,
      height: most(NOTHING, levelAt(own, event.time)),
    })),
  );
}

const ms = (seconds: string | undefined): number => Number(seconds ?? '0') * 1000;

/** When a run that began and ended then is billed to have ended. */
function billedEnd(meter: MeterStory, start: number, end: number): number {
  const [step, shortest] = [ms(meter.incrementSeconds), Math.max(end - start, ms(meter.minimumSeconds))];
  return start + (step === 0 ? shortest : Math.ceil(shortest / step) * step);
}

function runs(meter: MeterStory, events: readonly Seen[], now: number): Held[] {
  const limit = ms(meter.heartbeatSeconds) || Infinity;
  return byResource(events).flatMap((own) => {
    const held: Held[] = [];
    let i = 0;
    while (i < own.length) {
      const first = own[i];
      i += 1;
      if (first?.event.action !== 'start') continue;
      const start = first.event.time;
      const heights = [{ start, height: read(first.event.weight ?? '1') }];
      let alive = start;
      let stopped: number | undefined;
      for (; i < own.length && stopped === undefined; i += 1) {
        const event = own[i]?.event;
        if (!event || event.time > alive + limit) break;
        if (event.action === 'stop') stopped = event.time;
        else alive = event.time;
        if (event.action === 'resize') heights.push({ start: event.time, height: read(event.weight ?? '1') });
      }
      // Whatever comes after too long a silence is of another run, and silence until now is the end as well.
      const silent = stopped === undefined && (i < own.length || now >= alive + limit);
      const ended = stopped ?? (silent ? alive + limit : undefined);
      const end = ended === undefined ? now : billedEnd(meter, start, ended);
      held.push(...heights.map((each, k) => ({ ...each, end: Math.min(heights[k + 1]?.start ?? end, end) })));
    }
    return held;
  });
}

const area = (held: readonly Held[], { start, end }: Span): Fraction =>
  total(
    held.flatMap((each) => {
      const length = Math.min(each.end, end) - Math.max(each.start, start);
      return length > 0 ? [times(each.height, [BigInt(length), 1000n])] : [];
    }),
  );

const inside = (events: readonly Seen[], spans: readonly Span[]): Seen[] =>
  events.filter(({ event }) => spans.some(({ start, end }) => start <= event.time && event.time < end));

/** Before conversion; undefined where there is none. */
function measured(
  meter: MeterStory,
  events: readonly Seen[],
  spans: readonly Span[],
  now: number,
): Fraction | undefined {
  const within = inside(events, spans);
  const values = within.map(({ event }) => read(event.value ?? '0'));
  switch (meter.aggregation) {
    case 'count':
      return whole(within.length);
    case 'sum':
      return total(values);
    case 'unique':
      return whole(new Set(within.map(({ event }) => event.user)).size);
    case 'max':
      return values.reduce<Fraction | undefined>((best, value) => (best ? most(best, value) : value), undefined);
    case 'min':
      return values.reduce<Fraction | undefined>((best, value) => (best ? least(best, value) : value), undefined);
    case 'average':
      return values.length === 0 ? undefined : over(total(values), whole(values.length));
    case 'latest': {
      const end = spans.at(-1)?.end ?? 0;
      const known = meter.carryOver === true ? events.filter(({ event }) => event.time < end) : within;
      const last = known.at(-1);
      return last && read(last.event.value ?? '0');
    }
    case 'duration':
      return total(spans.map((span) => area(runs(meter, events, now), span)));
    case 'level':
      return total(spans.map((span) => area(levels(events), { start: span.start, end: Math.min(span.end, now) })));
  }
}

function quantityOf(meter: MeterStory, value: Fraction | undefined): Fraction {
  if (!value) return NOTHING;
  const converted = over(value, meter.divideBy === undefined ? ONE : read(meter.divideBy));
  if (meter.rounding) {
    const { mode, places } = meter.rounding;
    return settled(converted, places, mode === 'nearest' ? 'half-up' : mode);
  }
  const divided = meter.divideBy !== undefined || meter.aggregation === 'average';
  return divided ? settled(converted, 18, 'half-up') : converted;
}

/** What a price may ask about usage. */
export interface NaiveUsage {
  readonly quantity: Fraction;
  readonly values: readonly Fraction[];
  readonly cost: Fraction;
  /** By region, '' for events without one. */
  readonly groups: ReadonlyMap<string, Fraction>;
  readonly buckets: ReadonlyMap<string, Fraction>;
}

export const NO_NAIVE_USAGE: NaiveUsage = {
  quantity: NOTHING,
  values: [],
  cost: NOTHING,
  groups: new Map(),
  buckets: new Map(),
};

/** @param spansOf what of a span lies in which bucket, for prices by time of day */
export function usageOf(
  { meter }: Case,
  events: readonly Seen[],
  span: Span,
  now: number,
  spansOf?: (span: Span) => ReadonlyMap<string, readonly Span[]>,
): NaiveUsage {
  const all = counted(meter, events);
  const within = inside(all, [span]);
  const present =
    meter.aggregation === 'latest' && meter.carryOver ? inside(all, [{ start: -Infinity, end: span.end }]) : within;
  const regions = meter.groupBy.length === 0 ? [] : [...new Set(present.map(({ event }) => event.region ?? ''))];
  return {
    quantity: quantityOf(meter, measured(meter, all, [span], now)),
    values: within.map(({ event }) => read(event.value ?? '0')),
    cost: total(within.map(({ event }) => read(event.cost ?? '0'))),
    groups: new Map(
      regions.map((region) => [
        region,
        quantityOf(
          meter,
          measured(
            meter,
            all.filter(({ event }) => (event.region ?? '') === region),
            [span],
            now,
          ),
        ),
      ]),
    ),
    buckets: new Map(
      [...(spansOf?.(span) ?? [])].map(([bucket, own]) => [bucket, quantityOf(meter, measured(meter, all, own, now))]),
    ),
  };
}

const joined = (a: ReadonlyMap<string, Fraction>, b: ReadonlyMap<string, Fraction>): Map<string, Fraction> =>
  new Map(
    [...new Set([...a.keys(), ...b.keys()])].map((key) => [key, plus(a.get(key) ?? NOTHING, b.get(key) ?? NOTHING)]),
  );

export const together = (a: NaiveUsage, b: NaiveUsage): NaiveUsage => ({
  quantity: plus(a.quantity, b.quantity),
  values: [...a.values, ...b.values],
  cost: plus(a.cost, b.cost),
  groups: joined(a.groups, b.groups),
  buckets: joined(a.buckets, b.buckets),
});

export const inOrder = (values: readonly Fraction[]): Fraction[] => [...values].sort(compare);
