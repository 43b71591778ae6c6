import type { CollectionState } from '@core/collections';
import type { AssetId } from '@core/money';

/** A collection that this worker alone works on, until the lease ends or another one has taken it: then `fence` has grown. */
export interface Lease {
  /** `col_…` */
  readonly collection: string;
  readonly provider: string;
  readonly account: string;
  readonly statement: string;
  readonly asset: AssetId;
  readonly state: CollectionState;
  /** Attempts made. */
  readonly attempts: number;
  /** Steps of the schedule taken. */
  readonly dunning: number;
  readonly polls: number;
  readonly trouble: number;
  readonly version: number;
  readonly fence: string;
}

/** Another worker has the lease: nothing was written, and nothing is to be done about it. */
export class Superseded extends Error {}
