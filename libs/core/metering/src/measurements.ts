import type { Decimal } from '@core/money';
import type { Aggregation, Meter } from './meter.js';
import type { PointKind } from './points.js';
import { readNumber, readQuantity, readShort } from './quantity-text.js';
import type { BatchColumns, BatchNumber } from './usage-batch.js';

/** Whose values are summed in cells. */
export const TAKES_VALUE: Readonly<Record<Aggregation, boolean>> = {
  count: false,
  unique: false,
  sum: true,
  max: true,
  min: true,
  average: true,
  latest: true,
  duration: false,
  level: false,
};

/** Which column has the number of a point. */
export const NUMBER_OF: Readonly<Record<PointKind, 'value' | 'level' | 'delta' | 'weight' | undefined>> = {
  value: 'value',
  level: 'level',
  delta: 'delta',
  start: 'weight',
  resize: 'weight',
  stop: undefined,
  heartbeat: undefined,
};

/** Whether sums are all the meter keeps of an event. */
export function isCellOnly({ aggregation, itemized }: Meter): boolean {
  return aggregation === 'count' || ((aggregation === 'sum' || aggregation === 'average') && !itemized);
}

/** Whether the event carries what the meter needs. */
export function measures({ aggregation }: Meter, columns: BatchColumns, i: number): boolean {
  if (aggregation === 'count' || aggregation === 'unique') return true;
  if (TAKES_VALUE[aggregation]) return isNumber(columns.value?.[i], false);
  if (aggregation === 'duration') {
    const action = columns.action?.[i] ?? undefined;
    return action !== undefined && (action !== 'resize' || isNumber(columns.weight?.[i], false));
  }
  return isNumber(columns.level?.[i], false) || isNumber(columns.delta?.[i], true);
}

function isNumber(cell: BatchNumber | undefined, signed: boolean): boolean {
  if (typeof cell === 'number') return signed || cell >= 0;
  if (typeof cell !== 'string') return false;
  // Short texts are what busy meters send; reading them twice, here and for the sum, is cheaper than making an object.
  return readShort(cell) >= 0 || (signed ? readNumber(cell) : readQuantity(cell)) !== undefined;
}

/** The number in a cell of a column. */
export function decimalOf(cell: BatchNumber | undefined): Decimal | undefined {
  if (typeof cell === 'number') return { units: BigInt(cell), scale: 0 };
  return typeof cell === 'string' ? readNumber(cell) : undefined;
}

/** What kind of point the event is; undefined for a meter that keeps none. */
export function pointKind({ aggregation }: Meter, columns: BatchColumns, i: number): PointKind | undefined {
  if (aggregation === 'latest') return 'value';
  if (aggregation === 'duration') return columns.action?.[i] ?? undefined;
  if (aggregation === 'level') return isNumber(columns.level?.[i], false) ? 'level' : 'delta';
  return undefined;
}
