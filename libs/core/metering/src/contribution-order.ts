import { addDecimals } from '@core/money';
import { instant } from '@core/time';
import type { CellDelta, PointDelta, Touched, ValueDelta } from './contribution-rows.js';
import { compareReceipts } from './points.js';
import type { Tally } from './tally.js';

/** The cell of a quarter of an hour in progress. */
export interface Slot {
  readonly account: number;
  readonly meter: number;
  readonly start: number;
  /** Where the cell of its day begins. */
  readonly day: number;
  readonly series: string;
  /** The earliest event. */
  since: number;
  count: number;
  readonly sum: Tally;
  readonly cost: Tally;
  readonly sold: Tally;
}

/** A row of the multiset of values in progress. */
export type ValueRow = { -readonly [Part in keyof ValueDelta]: ValueDelta[Part] };

/** A point with how often it was inserted less how often it was taken away. */
export interface PointRow {
  readonly point: Omit<PointDelta, 'sign'>;
  net: number;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The cells of both grains that change anything. */
export function cellsOf(slots: readonly Slot[]): CellDelta[] {
  const days = new Map<string, CellDelta>();
  const quarters = slots.map((slot): CellDelta => {
    const { account, meter, series, count } = slot;
    const [sum, cost, sold] = [slot.sum.total(), slot.cost.total(), slot.sold.total()];
    const key = `${account} ${meter} ${slot.day} ${series}`;
    const day = days.get(key);
    days.set(key, {
      account,
      meter,
      grain: 1440,
      start: instant(slot.day),
      series,
      count: (day?.count ?? 0) + count,
      sum: day ? addDecimals(day.sum, sum) : sum,
      cost: day ? addDecimals(day.cost, cost) : cost,
      sold: day ? addDecimals(day.sold, sold) : sold,
    });
    return { account, meter, grain: 15, start: instant(slot.start), series, count, sum, cost, sold };
  });
  return [...quarters, ...days.values()].filter(
    ({ count, sum, cost, sold }) => count !== 0 || sum.units !== 0n || cost.units !== 0n || sold.units !== 0n,
  );
}

export const byCell = (a: CellDelta, b: CellDelta): number =>
  a.account - b.account ||
  a.meter - b.meter ||
  a.grain - b.grain ||
  a.start - b.start ||
  compareText(a.series, b.series);

export const byValue = (a: ValueDelta, b: ValueDelta): number =>
  a.account - b.account ||
  a.meter - b.meter ||
  a.start - b.start ||
  compareText(a.series, b.series) ||
  compareText(a.value, b.value);

export const byPoint = (a: PointDelta, b: PointDelta): number =>
  a.account - b.account ||
  a.meter - b.meter ||
  compareText(a.resource, b.resource) ||
  a.time - b.time ||
  compareReceipts(a.receipt, b.receipt) ||
  a.sign - b.sign;

export const byTouched = (a: Touched, b: Touched): number => a.account - b.account || a.meter - b.meter;
