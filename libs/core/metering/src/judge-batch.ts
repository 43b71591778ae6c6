import type { Instant } from '@core/time';
import { ACCEPTED_AGE_MS, FUTURE_TOLERANCE_MS, dimensionsFit, judgeEvent, sourceProblem } from './accept-event.js';
import { eventAt } from './batch-events.js';
import { FIELDS_OF, PRINTABLE } from './fit-meters.js';
import type { Meter } from './meter.js';
import { placesOf, readShort, unitsOf } from './quantity-text.js';
import type { HoldReason, RejectionReason } from './rejection.js';
import type { BatchColumns, BatchNumber, UsageBatch } from './usage-batch.js';

/** Why an event does not count (yet): rejected for good, or held until what it lacks is there. */
export type ItemVerdict = {
  readonly index: number;
  readonly verdict: 'rejected' | 'held';
  readonly reason: RejectionReason | HoldReason;
  readonly message: string;
};

/** What is known of a batch's dictionaries, by dictionary index. */
export interface KnownNames {
  /** The account's number; undefined or 0 when unknown. */
  readonly accounts: readonly (number | undefined)[];
  /** The meters that hear each type, in any of their versions (the one in force at an event's time decides); [] when none does. */
  readonly meters: readonly (readonly Meter[])[];
}

/**
 * Judges every event of a batch that `readBatch` or `packEvents` made; no verdict is no objection. Events that are plainly good
 * pass without being looked at one by one, all others are judged as `acceptEvent` judges them.
 */
export function judgeBatch(batch: UsageBatch, known: KnownNames, now: Instant): readonly ItemVerdict[] {
  const { columns, t0 } = batch;
  const { account, time, type, dimensions } = columns;
  const verdicts: ItemVerdict[] = [];
  const needs = batch.types.map((name, i) => plainNeed(name, known.meters[i] ?? [], t0));
  const accounts = batch.accounts.map((name, i) => Boolean(known.accounts[i]) && PRINTABLE.test(name));
  const entries = batch.dimensions?.map(dimensionsFit) ?? [];
  const plain = plainOf(batch);
  const [latest, earliest] = [now + FUTURE_TOLERANCE_MS - t0, now - ACCEPTED_AGE_MS - t0];

  for (let i = 0; i < type.length; i += 1) {
    const after = time[i] ?? 0;
    const need = needs[type[i] ?? -1];
    const entry = dimensions?.[i] ?? -1;
    if (
      need &&
      accounts[account[i] ?? -1] &&
      after <= latest &&
      after >= earliest &&
      (entry < 0 || entries[entry]) &&
      plain(i) &&
      meetsNeed(need, columns.value?.[i])
    ) {
      continue;
    }
    const verdict = judgeEvent(
      eventAt(batch, i),
      known.meters[type[i] ?? -1] ?? [],
      Boolean(known.accounts[account[i] ?? -1]),
      now,
    );
    if (verdict) {
      verdicts.push({ index: i, verdict: verdict.outcome, reason: verdict.reason, message: verdict.message });
    }
  }
  return verdicts;
}

/** What an event of a type must carry to be plainly good. */
interface PlainNeed {
  readonly value: boolean;
  /** Whether a value of 1 says no more than that it happened. */
  readonly one: boolean;
  /** A value up to here is under every ceiling. */
  readonly most: number;
}

/** Undefined for a type whose events are always looked at: not everybody hears it throughout, or it has runs or levels. */
function plainNeed(type: string, meters: readonly Meter[], since: number): PlainNeed | undefined {
  if (meters.length === 0 || !PRINTABLE.test(type)) return undefined;
  if (new Set(meters.map(({ id }) => id)).size < meters.length) return undefined;
  if (meters.some(({ effectiveAt }) => effectiveAt > since)) return undefined;
  if (meters.some(({ aggregation }) => aggregation === 'duration' || aggregation === 'level')) return undefined;
  const ceilings = meters.flatMap(({ limits }) => limits?.perEvent ?? []);
  return {
    value: meters.some(({ aggregation }) => FIELDS_OF[aggregation].includes('value')),
    one: meters.some(({ aggregation }) => aggregation === 'count'),
    most: ceilings.reduce((most, { units, scale }) => Math.min(most, Number(units / 10n ** BigInt(scale))), Infinity),
  };
}

function meetsNeed(need: PlainNeed, value: BatchNumber | undefined): boolean {
  if (!need.value) return value === null || value === undefined || (need.one && value === 1);
  if (typeof value === 'number') return value >= 0 && value <= need.most;
  if (typeof value !== 'string') return false;
  const short = readShort(value);
  return short >= 0 && (need.most === Infinity || Math.ceil(unitsOf(short) / 10 ** placesOf(short)) <= need.most);
}

/** Whether an event has usable names and nothing but a value, a cost and dimensions. */
function plainOf({ columns, source, sources }: UsageBatch): (i: number) => boolean {
  const { cost, id } = columns;
  const special = SPECIAL.flatMap((name) => (columns[name] ? [columns[name]] : []));
  const from = sources?.map((each) => sourceProblem(each) === undefined);
  const usable = columns.source ? true : source !== undefined && sourceProblem(source) === undefined;
  if (!usable) return () => false;
  return (i) => {
    for (const column of special) if (column[i] !== null) return false;
    const price = cost?.[i];
    if (typeof price === 'string' ? readShort(price) < 0 : typeof price === 'number' && price < 0) return false;
    if (!columns.source) return true;
    return Boolean(from?.[columns.source[i] ?? -1]) && PRINTABLE.test(id?.[i] ?? '');
  };
}

const SPECIAL = ['level', 'delta', 'action', 'weight', 'resource'] as const satisfies readonly (keyof BatchColumns)[];
