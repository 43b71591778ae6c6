import { type Instant, instant, windowOf } from '@core/time';

export const LIMIT_WINDOWS = ['hour', 'day', 'month', 'lifetime'] as const;
export type LimitWindow = (typeof LIMIT_WINDOWS)[number];

/** Whose spending it bounds: the whole account's, that of one agent key, or that on one meter. */
export type LimitSubject =
  | { readonly kind: 'account' }
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'meter'; readonly meter: string };

export interface Limit {
  /** `lim_…`; of a key's budget `<key id>/<window>`. */
  readonly id: string;
  readonly subject: LimitSubject;
  /** In UTC. */
  readonly window: LimitWindow;
  readonly amount: bigint;
  /** A hard limit refuses what would pass it; a soft one lets it through and raises an alert. */
  readonly hard: boolean;
  /** Raises an alert when spending reaches these percentages of it. */
  readonly alertPercents: readonly number[];
}

/** What was spent in one window of a limit, and what open holds may yet spend. */
export interface Counter {
  readonly limit: string;
  readonly start: Instant;
  readonly spent: bigint;
  readonly held: bigint;
}

/** A window that a hold counts in. `cap` is that of a budget, which is kept with the key and not with the wallet. */
export interface CountedIn {
  readonly limit: string;
  readonly start: Instant;
  readonly cap?: bigint | undefined;
}

export interface Spend {
  readonly amount: bigint;
  readonly meter?: string | undefined;
  readonly key?: string | undefined;
}

const BEGINNING = instant(0);

export const windowStart = (window: LimitWindow, at: Instant): Instant =>
  window === 'lifetime' ? BEGINNING : windowOf(at, window).start;

/** When a window is over; undefined for a lifetime. */
export const windowEnd = (window: LimitWindow, at: Instant): Instant | undefined =>
  window === 'lifetime' ? undefined : windowOf(at, window).end;

export function isSubject({ subject }: Limit, spend: Pick<Spend, 'meter' | 'key'>): boolean {
  switch (subject.kind) {
    case 'account':
      return true;
    case 'key':
      return subject.key === spend.key;
    case 'meter':
      return subject.meter === spend.meter;
  }
}

export const counterOf = (counters: readonly Counter[], limit: string, start: Instant): Counter =>
  counters.find((counter) => counter.limit === limit && counter.start === start) ?? {
    limit,
    start,
    spent: 0n,
    held: 0n,
  };

/** Whether so much more fits: what is spent and what is held count alike, so that nothing held can break a limit later. */
export const fits = (counter: Counter, cap: bigint, more: bigint): boolean =>
  counter.spent + counter.held + more <= cap;

export type LimitVerdict =
  | { readonly ok: true; readonly applicable: readonly Limit[] }
  | { readonly ok: false; readonly limit: Limit; readonly left: bigint };

/** Whether a spend passes all limits that concern it at an instant; the one with least left is named when it does not. */
export function limitVerdict(
  limits: readonly Limit[],
  counters: readonly Counter[],
  spend: Spend,
  at: Instant,
): LimitVerdict {
  const applicable = limits.filter((limit) => isSubject(limit, spend));
  let broken: { readonly limit: Limit; readonly left: bigint } | undefined;
  for (const limit of applicable) {
    if (!limit.hard) continue;
    const counter = counterOf(counters, limit.id, windowStart(limit.window, at));
    if (fits(counter, limit.amount, spend.amount)) continue;
    const left = limit.amount - counter.spent - counter.held;
    if (!broken || left < broken.left) broken = { limit, left: left < 0n ? 0n : left };
  }
  return broken ? { ok: false, ...broken } : { ok: true, applicable };
}

/** Changes counters by signed amounts; those named twice are changed twice. */
export function count(
  counters: readonly Counter[],
  windows: readonly CountedIn[],
  change: { readonly spent: bigint; readonly held: bigint },
): readonly Counter[] {
  if (windows.length === 0 || (change.spent === 0n && change.held === 0n)) return counters;
  const changed = [...counters];
  for (const { limit, start } of windows) {
    const place = changed.findIndex((counter) => counter.limit === limit && counter.start === start);
    const before = changed[place] ?? { limit, start, spent: 0n, held: 0n };
    const after = { ...before, spent: before.spent + change.spent, held: before.held + change.held };
    if (place === -1) changed.push(after);
    else changed[place] = after;
  }
  return changed;
}

/** The id of a budget of a key in a window, under which it is counted. */
export const budgetId = (key: string, window: LimitWindow): string => `${key}/${window}`;

/** A budget as a limit, from the id under which it is counted. */
export function budgetOf(id: string, amount: bigint): Limit {
  const [key = '', window = ''] = id.split('/');
  return {
    id,
    subject: { kind: 'key', key },
    window: LIMIT_WINDOWS.find((one) => one === window) ?? 'lifetime',
    amount,
    hard: true,
    alertPercents: [],
  };
}
