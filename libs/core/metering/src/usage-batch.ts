import type { Action } from './usage-event.js';

/** Most events of one batch. */
export const MOST_BATCH_EVENTS = 5000;

/** A number as it may stand in a column: nothing, a safe integer, or a plain decimal as text. */
export type BatchNumber = number | string | null;

/** The columns of a batch: arrays of one length, row i being event i. */
export interface BatchColumns {
  /** Index into `types`. */
  readonly type: readonly number[];
  /** Index into `accounts`. */
  readonly account: readonly number[];
  /** Milliseconds after `t0`. */
  readonly time: readonly number[];
  readonly value?: readonly BatchNumber[];
  readonly level?: readonly BatchNumber[];
  readonly delta?: readonly BatchNumber[];
  readonly action?: readonly (Action | null)[];
  readonly weight?: readonly BatchNumber[];
  readonly cost?: readonly BatchNumber[];
  /** Index into `resources`. */
  readonly resource?: readonly (number | null)[];
  /** Index into `dimensions`. */
  readonly dimensions?: readonly (number | null)[];
  /** Open door: index into `sources`. */
  readonly source?: readonly number[];
  /** Open door: the ids the senders gave. */
  readonly id?: readonly string[];
  /** Open door: 0 where the sender stated no time; left out when all did. */
  readonly timeStated?: readonly (0 | 1)[];
}

/** Events in columns, as the stream door takes them and the usage log keeps them. */
export interface UsageBatch {
  /** Stream door: the UUID of one client's stream of batches, and the number of this batch in it, from 1. */
  readonly stream?: string;
  readonly seq?: number;
  /** Stream door: the source of all its events. */
  readonly source?: string;
  /** Open door: dictionary of sources. */
  readonly sources?: readonly string[];
  /** Base of all times: milliseconds since 1970. */
  readonly t0: number;
  readonly types: readonly string[];
  readonly accounts: readonly string[];
  readonly resources?: readonly string[];
  readonly dimensions?: readonly Readonly<Record<string, string>>[];
  readonly columns: BatchColumns;
}
