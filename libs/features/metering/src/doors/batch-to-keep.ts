import type { LoggedEvent, UsageBatch } from '@core/metering';

/** What every batch to be kept has. */
export interface BatchToKeep {
  readonly provider: string;
  /** JSON text in UTF-8. */
  readonly body: Buffer;
  /** Earliest and latest time of use, in milliseconds since 1970. */
  readonly since: number;
  readonly until: number;
  readonly events: number;
  /** Numbers of the accounts in its dictionary. */
  readonly accounts: readonly number[];
  /** Ordinals that do not count; absent: all do. */
  readonly skip?: readonly number[] | undefined;
  readonly held: readonly HeldEvent[];
}

export interface HeldEvent {
  readonly ordinal: number;
  readonly reason: string;
  readonly event: LoggedEvent;
}

/** What is told of each batch beside its body: `off` and `len` say where that is among the bodies. */
export function entriesOf(batches: readonly BatchToKeep[]) {
  let end = 0;
  return batches.map(({ provider, body, since, until, events, accounts, skip }, n) => {
    const off = end;
    end += body.length;
    return { n, provider, off, len: body.length, since, until, events, accounts, skip: skip?.length ? skip : null };
  });
}

/** The held events of batches, as JSON text; batches are numbered from `first` on. */
export function heldJson(batches: readonly Pick<BatchToKeep, 'held'>[], first: number): string | null {
  const held = batches.flatMap(({ held }, n) => held.map((each) => ({ n: n + first, ...each })));
  return held.length === 0 ? null : json(held);
}

/** JSON that PostgreSQL takes: it knows neither NUL nor half of a surrogate pair, which messages may quote. */
export const json = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'string' && UNSTORABLE.test(each) ? each.replace(UNSTORABLE_ALL, '\u{FFFD}') : each,
  );
const UNSTORABLE = /[\0\p{Cs}]/u;
const UNSTORABLE_ALL = /[\0\p{Cs}]/gu;

/** The earliest and latest time of use of a batch, leaving out what is rejected; `otherwise` when that is everything. */
export function spanOf(
  batch: UsageBatch,
  rejected: ReadonlySet<number>,
  otherwise: number,
): { readonly since: number; readonly until: number } {
  const { time } = batch.columns;
  let [first, last] = [Infinity, -Infinity];
  for (let i = 0; i < time.length; i += 1) {
    const after = time[i] ?? 0;
    if (rejected.size > 0 && rejected.has(i)) continue;
    if (after < first) first = after;
    if (after > last) last = after;
  }
  return last < first ? { since: otherwise, until: otherwise } : { since: batch.t0 + first, until: batch.t0 + last };
}
