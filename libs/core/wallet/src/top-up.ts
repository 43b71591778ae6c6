import { addMs, type Instant, windowOf } from '@core/time';

export interface TopUpSettings {
  /** Buys when what is available is this or less. */
  readonly threshold: bigint;
  /** Always the same, or what is missing to a target. */
  readonly buys: { readonly fixed: bigint } | { readonly upTo: bigint };
  readonly coolOffSeconds: number;
  /** Most in a day, UTC. */
  readonly perDay: number;
  /** Stops after so many failures in a row, until it is set again. */
  readonly maxFailures: number;
}

export interface TopUpState {
  /** One is under way. */
  readonly pending: boolean;
  readonly lastAt?: Instant | undefined;
  /** How many were begun on the day of `lastAt`. */
  readonly onThatDay: number;
  readonly failures: number;
}

export type TopUpVerdict =
  | { readonly due: true; readonly amount: bigint; readonly state: TopUpState }
  | { readonly due: false; readonly why: 'enough' | 'pending' | 'cooling_off' | 'daily_limit' | 'stopped' };

const no = (why: Extract<TopUpVerdict, { due: false }>['why']): TopUpVerdict => ({ due: false, why });

/** Whether to buy more value now, and how much; `state` is then what to keep. */
export function topUpVerdict(
  settings: TopUpSettings,
  state: TopUpState,
  available: bigint,
  now: Instant,
): TopUpVerdict {
  if (available > settings.threshold) return no('enough');
  if (state.pending) return no('pending');
  if (state.failures >= settings.maxFailures) return no('stopped');
  const { lastAt } = state;
  if (lastAt !== undefined && now < addMs(lastAt, settings.coolOffSeconds * 1000)) return no('cooling_off');
  const today = windowOf(now, 'day').start;
  const begunToday = lastAt !== undefined && lastAt >= today ? state.onThatDay : 0;
  if (begunToday >= settings.perDay) return no('daily_limit');
  const amount = 'fixed' in settings.buys ? settings.buys.fixed : settings.buys.upTo - available;
  if (amount <= 0n) return no('enough');
  return { due: true, amount, state: { ...state, pending: true, lastAt: now, onThatDay: begunToday + 1 } };
}

/** How it ended. */
export const topUpEnded = (state: TopUpState, bought: boolean): TopUpState => ({
  ...state,
  pending: false,
  failures: bought ? 0 : state.failures + 1,
});
