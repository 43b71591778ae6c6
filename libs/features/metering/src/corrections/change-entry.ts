import { Fault } from '@core/faults';
import { type LoggedEvent, type Receipt, type UsageBatch, canonicalContent, packEvents } from '@core/metering';
import type { Instant } from '@core/time';
import { contentOfEvent } from '../doors/event-identity.js';

/** What an event says in one of its versions, and the number of the account it counts for (0: an unknown one). */
export interface Version {
  readonly event: LoggedEvent;
  readonly account: number;
}

/** A version of the event with this receipt. */
export interface PlacedVersion extends Version {
  readonly receipt: Receipt;
}

interface ChangePart {
  readonly sign: 1 | -1;
  readonly batch: UsageBatch;
  readonly accounts: readonly number[];
  /** [position, ordinal] of each event; absent: the events are new with the entry. */
  readonly receipts?: readonly (readonly [string, number])[];
}

/** The body of a log entry that takes versions of events away and adds others. */
interface ChangeBody {
  readonly parts: readonly ChangePart[];
  /** What it adds was decided by someone: no ceiling holds it again. */
  readonly unlimited: true;
}

/** A change that is ready to be appended: its body, and what the log keeps beside it. */
export interface ChangeEntry {
  readonly body: ChangeBody;
  readonly since: Instant;
  readonly until: Instant;
  readonly events: number;
  readonly accounts: readonly number[];
}

export interface Change {
  /** Versions that stop counting. */
  readonly minus: readonly PlacedVersion[];
  /** Versions that come to count. Those new with the entry have its own position. */
  readonly plus: readonly PlacedVersion[];
}

/** Events new with the entry stand first in it, in the order of their ordinals, which are 0, 1, 2 … */
export function changeEntry(position: bigint, { minus, plus }: Change): ChangeEntry {
  const isNew = ({ receipt }: PlacedVersion) => receipt.position === position;
  const parts = [
    ...partsOf(1, plus.filter(isNew)).map(({ receipts: _theirPlaces, ...part }) => part),
    ...partsOf(-1, minus),
    ...partsOf(
      1,
      plus.filter((version) => !isNew(version)),
    ),
  ];
  const all = [...minus, ...plus];
  const first = all[0];
  if (!first) throw new Fault('invariant_broken', 'a change of the usage log changes nothing');
  let [since, until] = [first.event.time, first.event.time];
  for (const { event } of all) {
    if (event.time < since) since = event.time;
    if (event.time > until) until = event.time;
  }
  const accounts = [...new Set(all.map(({ account }) => account))].sort((a, b) => a - b);
  return { body: { parts, unlimited: true }, since, until, events: all.length, accounts };
}

/** Gives receipts to events new with the entry at a position. */
export const placeNew = (position: bigint, versions: readonly Version[]): PlacedVersion[] =>
  bySubject(versions)
    .flat()
    .map((version, ordinal) => ({ ...version, receipt: { position, ordinal } }));

const partsOf = (sign: 1 | -1, versions: readonly PlacedVersion[]): ChangePart[] =>
  bySubject(versions).map((together) => {
    const numbers = new Map(together.map(({ event, account }) => [event.subject, account]));
    const batch = packEvents(together.map(({ event }) => event));
    return {
      sign,
      batch,
      accounts: batch.accounts.map((subject) => numbers.get(subject) ?? 0),
      receipts: together.map(({ receipt }) => [String(receipt.position), receipt.ordinal] as const),
    };
  });

/** A part says for each subject which account it stands for, so versions with one subject of two accounts are parted. */
function bySubject<V extends Version>(versions: readonly V[]): V[][] {
  const groups: V[][] = [];
  for (let left = versions; left.length > 0;) {
    const accounts = new Map<string, number>();
    const fitting: V[] = [];
    const other: V[] = [];
    for (const version of left) {
      const account = accounts.get(version.event.subject) ?? version.account;
      accounts.set(version.event.subject, account);
      (account === version.account ? fitting : other).push(version);
    }
    groups.push(fitting);
    left = other;
  }
  return groups;
}

/** Whether two versions say the same, however their numbers and dimensions are written. Identity and subject are not compared. */
export const sameContent = (a: LoggedEvent, b: LoggedEvent): boolean => contentText(a) === contentText(b);

const contentText = (event: LoggedEvent): string => canonicalContent(contentOfEvent({ ...event, timeStated: true }, 0));
