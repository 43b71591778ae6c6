import type { Decimal } from '@core/money';
import type { Instant } from '@core/time';

/** The order in which events were received: the position of their entry in the log, then their ordinal in it. */
export interface Receipt {
  readonly position: bigint;
  readonly ordinal: number;
}

/** level: an absolute level · delta: a change of one · start, stop, resize, heartbeat: of a run · value: for latest. */
export type PointKind = 'level' | 'delta' | 'start' | 'stop' | 'resize' | 'heartbeat' | 'value';

/** One event of a level, duration or latest meter. */
export interface Point {
  readonly resource: string;
  readonly time: Instant;
  readonly receipt: Receipt;
  readonly kind: PointKind;
  /** The level, change, weight or value. A start without one weighs 1. */
  readonly number?: Decimal | undefined;
  readonly series: string;
}

/** Earlier received first. */
export const compareReceipts = (a: Receipt, b: Receipt): number =>
  a.position < b.position ? -1 : a.position > b.position ? 1 : a.ordinal - b.ordinal;

/** By time, then by receipt. */
export const comparePoints = (a: Point, b: Point): number => a.time - b.time || compareReceipts(a.receipt, b.receipt);

/** The points of each resource, in order of time and receipt. */
export function byResource(points: readonly Point[]): Map<string, Point[]> {
  const resources = new Map<string, Point[]>();
  for (const point of points) {
    const known = resources.get(point.resource);
    if (known) known.push(point);
    else resources.set(point.resource, [point]);
  }
  for (const own of resources.values()) own.sort(comparePoints);
  return resources;
}
