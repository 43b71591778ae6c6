import type { Decimal } from '@core/money';
import type { Instant } from '@core/time';
import type { Meter } from './meter.js';
import type { PointKind, Receipt } from './points.js';

/** A meter as the roll-up sees it. */
export interface ListeningMeter {
  /** The small number that stands for the meter in derived rows. */
  readonly number: number;
  /** In order of `effectiveAt`; the one in force at an event's time decides. */
  readonly versions: readonly Meter[];
  /** The instants at which its price or definition changes, in order: no cell reaches across one. */
  readonly cuts: readonly Instant[];
}

/** Lengths of cells in minutes: a quarter of an hour (every zone is whole quarters off UTC) and a UTC day. */
type Grain = 15 | 1440;

/** What to add to the cell (account, meter, grain, start, series). Parts may be negative. */
export interface CellDelta {
  readonly account: number;
  readonly meter: number;
  readonly grain: Grain;
  readonly start: Instant;
  /** '' for a meter that groups by nothing; else a JSON array of the values in the order of `groupBy`, null for a missing one. */
  readonly series: string;
  readonly count: number;
  /** Of values. */
  readonly sum: Decimal;
  readonly cost: Decimal;
  /** Quantities sold through the gate, in the unit of the meter's quantities. */
  readonly sold: Decimal;
}

/** How often to add the value to the multiset of (account, meter, start, series); `start` is that of the quarter's cell. */
export interface ValueDelta {
  readonly account: number;
  readonly meter: number;
  readonly start: Instant;
  readonly series: string;
  /** Text compared as given for unique, else a canonical decimal. */
  readonly value: string;
  /** The value as a number; absent for unique. */
  readonly number?: Decimal;
  readonly count: number;
}

/** A point to insert (1) or to take away (-1). */
export interface PointDelta {
  readonly account: number;
  readonly meter: number;
  readonly resource: string;
  readonly time: Instant;
  readonly receipt: Receipt;
  readonly kind: PointKind;
  readonly number?: Decimal;
  readonly series: string;
  readonly sign: 1 | -1;
}

/** What must be rated again: everything of the account and meter from `since` on. */
export interface Touched {
  readonly account: number;
  readonly meter: number;
  readonly since: Instant;
}
