import { meaningOf } from './declines.js';

const DAY_MS = 86_400_000;

/** How long to wait after each failure before the next try. Nothing is left to try after the last one. */
export interface DunningSchedule {
  readonly delaysMs: readonly number[];
}

/** Tries again 3, then 5, then 7 days after the one before failed: a fortnight, with two paydays in most of them. */
export const DEFAULT_DUNNING: DunningSchedule = { delaysMs: [3 * DAY_MS, 5 * DAY_MS, 7 * DAY_MS] };

/** What follows an attempt that failed, or a try for which there was no method. */
export type AfterFailure =
  /** Another method may work now. */
  | { readonly kind: 'next_method' }
  | { readonly kind: 'dunning'; readonly step: number; readonly afterMs: number }
  | { readonly kind: 'uncollectible' };

/**
 * A method that is dead or needs its holder makes way for the next one at once; this costs no step of the schedule. Anything else
 * waits for the next step.
 * @param code undefined: there was nothing to try
 * @param step how many steps of the schedule have been taken
 */
export function afterFailure(failed: {
  readonly code: string | undefined;
  readonly othersLeft: boolean;
  readonly step: number;
  readonly schedule: DunningSchedule;
}): AfterFailure {
  if (failed.code !== undefined && failed.othersLeft && meaningOf(failed.code) !== 'later')
    return { kind: 'next_method' };
  const afterMs = failed.schedule.delaysMs[failed.step];
  return afterMs === undefined ? { kind: 'uncollectible' } : { kind: 'dunning', step: failed.step + 1, afterMs };
}
