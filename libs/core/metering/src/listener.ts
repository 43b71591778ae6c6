import type { ListeningMeter } from './contribution-rows.js';
import { type Meter, versionAt } from './meter.js';
import { dimensionOf, passesFilters, seriesOf } from './series.js';
import type { UsageBatch } from './usage-batch.js';
import type { Action } from './usage-event.js';

/** The length of the smaller grain. */
export const QUARTER_MS = 15 * 60_000;

const UNKNOWN = -2;
const LEFT_OUT = -1;

/**
 * How one meter hears one type of a batch between two changes of its definition or price. What depends on dimensions alone is
 * found once for each entry of the dictionary and not for each event.
 */
export class Segment<Slot> {
  readonly meter: Meter;
  readonly number: number;
  /** In force from here … */
  readonly from: number;
  /** … to here. */
  readonly to: number;
  /** The latest cut: no cell of the segment begins before it. */
  readonly cut: number;
  readonly series: string[] = [];
  /** The cells in progress: by series, by quarter, and then by account. */
  readonly #slots: Map<number, Map<number, Slot>>[] = [];
  /** Events come in order of time, nearly: the quarter asked for last is the one asked for next. */
  readonly #quarters: number[] = [];
  readonly #current: (Map<number, Slot> | undefined)[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #dimensions: UsageBatch['dimensions'];
  readonly #seriesByEntry: Int32Array;
  /** The same for what follows the start of a run. */
  readonly #seriesOfFollowers: Int32Array;

  constructor(listening: ListeningMeter, meter: Meter, bounds: Bounds, batch: UsageBatch) {
    this.meter = meter;
    this.number = listening.number;
    this.from = bounds.from;
    this.to = bounds.to;
    this.cut = bounds.cut;
    this.#dimensions = batch.dimensions;
    const plain = meter.filters.length === 0 && meter.groupBy.length === 0 && meter.aggregation !== 'unique';
    this.#seriesByEntry = new Int32Array(plain ? 0 : (batch.dimensions?.length ?? 0) + 1).fill(UNKNOWN);
    this.#seriesOfFollowers = meter.aggregation === 'duration' ? this.#seriesByEntry.slice() : this.#seriesByEntry;
    if (plain) this.#seriesNumber('');
  }

  /** The number of the series for an entry of the dimension dictionary (-1: none); -1 when the event does not count. */
  seriesFor(entry: number, action: Action | null | undefined): number {
    const numbers = (action ?? 'start') === 'start' ? this.#seriesByEntry : this.#seriesOfFollowers;
    if (numbers.length === 0) return 0;
    const known = numbers[entry + 1] ?? LEFT_OUT;
    if (known !== UNKNOWN) return known;
    const dimensions = this.#dimensions?.[entry];
    const counts =
      passesFilters(this.meter, dimensions, action) &&
      (this.meter.aggregation !== 'unique' || this.property(entry) !== undefined);
    const found = counts ? this.#seriesNumber(seriesOf(this.meter.groupBy, dimensions)) : LEFT_OUT;
    numbers[entry + 1] = found;
    return found;
  }

  /** The cells of a series in a quarter, by account; undefined until they are given to `keepSlots`. */
  slotsAt(series: number, quarter: number): Map<number, Slot> | undefined {
    if (this.#quarters[series] === quarter) return this.#current[series];
    const slots = this.#slots[series]?.get(quarter);
    if (slots) this.keepSlots(series, quarter, slots);
    return slots;
  }

  keepSlots(series: number, quarter: number, slots: Map<number, Slot>): Map<number, Slot> {
    this.#slots[series]?.set(quarter, slots);
    this.#quarters[series] = quarter;
    this.#current[series] = slots;
    return slots;
  }

  /** unique: the value that is counted. */
  property(entry: number): string | undefined {
    return dimensionOf(this.#dimensions?.[entry], this.meter.property ?? '');
  }

  #seriesNumber(series: string): number {
    const known = this.#numbers.get(series);
    if (known !== undefined) return known;
    this.#slots.push(new Map());
    this.#quarters.push(-1);
    this.#current.push(undefined);
    const number = this.series.push(series) - 1;
    this.#numbers.set(series, number);
    return number;
  }
}

interface Bounds {
  readonly from: number;
  readonly to: number;
  readonly cut: number;
}

/** One meter hearing one type of a batch. */
export class Listener<Slot> {
  readonly #listening: ListeningMeter;
  readonly #type: string;
  readonly #batch: UsageBatch;
  readonly #segments: (Segment<Slot> | Bounds)[] = [];

  constructor(listening: ListeningMeter, type: string, batch: UsageBatch) {
    this.#listening = listening;
    this.#type = type;
    this.#batch = batch;
  }

  /** What holds at an instant; undefined when the version in force hears another type. */
  segmentAt(at: number): Segment<Slot> | undefined {
    let segment = this.#segments[0];
    if (!segment || at < segment.from || at >= segment.to) {
      segment = this.#segments.find(({ from, to }) => at >= from && at < to);
      if (!segment) this.#segments.push((segment = this.#open(at)));
    }
    return segment instanceof Segment ? segment : undefined;
  }

  #open(at: number): Segment<Slot> | Bounds {
    const { versions, cuts } = this.#listening;
    const cut = latestCut(cuts, at);
    const version = versionAt(versions, at);
    const changes = [...cuts, ...versions.map(({ effectiveAt }) => effectiveAt)];
    const bounds = {
      from: changes.reduce((from, change) => (change <= at && change > from ? change : from), -Infinity),
      to: changes.reduce((to, change) => (change > at && change < to ? change : to), Infinity),
      cut,
    };
    return version?.eventType === this.#type ? new Segment(this.#listening, version, bounds, this.#batch) : bounds;
  }
}

/** The latest of the cuts, which are in order, that is not after an instant; before all instants when there is none. */
export function latestCut(cuts: readonly number[], at: number): number {
  let latest = -Infinity;
  for (const cut of cuts) {
    if (cut > at) break;
    latest = cut;
  }
  return latest;
}
