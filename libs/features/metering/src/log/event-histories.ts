import type { Receipt } from '@core/metering';
import type { Instant } from '@core/time';
import { type Version, sameContent } from '../corrections/change-entry.js';
import { CorrectionStore, type HeldRow, type Revision } from '../corrections/correction.store.js';
import { type EntryKind, type EventState, type UsageEventView, formatReceipt } from './event-view.js';
import { LogReader } from './log.reader.js';
import { type Querying, queryRows } from './query-rows.js';
import { type EntryEvent, type UsageEntry, entriesAt, eventsOf } from './usage-entries.js';

/** An event with everything that became of it. */
export interface EventHistory {
  readonly receipt: Receipt;
  readonly kind: EntryKind;
  readonly receivedAt: Instant;
  /** As it was received. */
  readonly first: Version;
  /** Whether its entry says that it does not count: rejected, held, or the repeat of another. */
  readonly leftOut: boolean;
  /** Whether the roll-up has passed it: until then it may still turn out not to count. */
  readonly settled: boolean;
  readonly revisions: readonly Revision[];
  readonly held?: HeldRow;
  /** The number of the meter it was sold by. */
  readonly soldBy?: number;
}

/** The version that counts; undefined when none does. */
export function countedVersion({ revisions, leftOut, first }: EventHistory): Version | undefined {
  const last = revisions.at(-1);
  if (last) return last.version;
  return leftOut ? undefined : first;
}

/** The version to be shown: the last there was. */
export const lastVersion = ({ revisions, first }: EventHistory): Version =>
  revisions.findLast(({ version }) => version !== undefined)?.version ?? first;

/** The revision the next correction makes. */
export const nextRevision = ({ revisions }: EventHistory): number => (revisions.at(-1)?.revision ?? 0) + 1;

/** Undefined for what is no event of its own: rejected, or the repeat of another. */
export function stateOf(stored: EventHistory): EventState | undefined {
  const { held, leftOut, settled, revisions } = stored;
  if (held?.state === 'held' || held?.state === 'discarded') return held.state;
  if (revisions.length > 0) return countedVersion(stored) ? 'counted' : 'voided';
  if (leftOut) return undefined;
  return settled ? 'counted' : 'pending';
}

/** Reads events by their receipts, with their versions. */
export class EventHistories {
  readonly #store = new CorrectionStore();
  readonly #log = new LogReader();

  async find(on: Querying, provider: string, receipt: Receipt): Promise<EventHistory | undefined> {
    return (await this.load(on, provider, [receipt])).get(formatReceipt(receipt));
  }

  /** By receipt, in the order of the log. */
  async load(on: Querying, provider: string, receipts: readonly Receipt[]): Promise<Map<string, EventHistory>> {
    const wanted = new Map<bigint, Set<number>>();
    for (const { position, ordinal } of receipts) {
      const ordinals = wanted.get(position);
      if (ordinals) ordinals.add(ordinal);
      else wanted.set(position, new Set([ordinal]));
    }
    const positions = [...wanted.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const found: [UsageEntry, EntryEvent][] = [];
    for await (const entry of entriesAt(on, provider, positions)) {
      const ordinals = wanted.get(entry.position);
      for (const event of eventsOf(entry)) {
        if (ordinals?.has(event.receipt.ordinal)) found.push([{ ...entry, body: '' }, event]);
      }
    }
    return this.withVersions(on, provider, found);
  }

  /** Events read from their entries, completed with what became of them. */
  async withVersions(
    on: Querying,
    provider: string,
    events: readonly (readonly [UsageEntry, EntryEvent])[],
  ): Promise<Map<string, EventHistory>> {
    const receipts = events.map(([, { receipt }]) => receipt);
    const rolledUpTo = await this.#log.cursor(on);
    const revisions = await this.#store.revisions(on, provider, receipts);
    const held = await this.#store.held(on, provider, receipts);
    return new Map(
      events.map(([entry, { receipt, event, account, soldBy }]) => {
        const key = formatReceipt(receipt);
        const aside = held.get(key);
        return [
          key,
          {
            receipt,
            kind: entry.kind,
            receivedAt: entry.receivedAt,
            first: { event, account },
            leftOut: entry.skip.includes(receipt.ordinal),
            settled: receipt.position <= rolledUpTo,
            revisions: revisions.get(key) ?? [],
            ...(aside ? { held: aside } : {}),
            ...(soldBy === undefined ? {} : { soldBy }),
          },
        ];
      }),
    );
  }

  /** The events as they are shown, in the order given; what is no event of its own is left out. */
  async views(on: Querying, provider: string, events: readonly EventHistory[]): Promise<UsageEventView[]> {
    const shown = events.flatMap((stored) => {
      const state = stateOf(stored);
      return state === undefined ? [] : [{ stored, state, version: lastVersion(stored) }];
    });
    const accounts = await accountIds(on, provider, new Set(shown.map(({ version }) => version.account)));
    const meters = await metersHearing(on, provider, {
      types: new Set(shown.map(({ version }) => version.event.type)),
      numbers: new Set(shown.flatMap(({ stored }) => stored.soldBy ?? [])),
    });
    return shown.map(({ stored, state, version }) => {
      const { timeStated: _stated, ...event } = version.event;
      const account = accounts.get(version.account);
      const seller = stored.soldBy === undefined ? undefined : meters.byNumber.get(stored.soldBy);
      return {
        ...event,
        ...(seller ? { type: seller.type, subject: account ?? '', payment: event.id } : {}),
        receipt: formatReceipt(stored.receipt),
        kind: stored.kind,
        state,
        ...(account === undefined ? {} : { account }),
        meters: seller ? [seller.id] : (meters.byType.get(event.type) ?? []),
        receivedAt: stored.receivedAt,
        amended: stored.revisions.length > 0 && !sameContent(version.event, stored.first.event),
        ...(stored.held ? { held: stored.held.reason } : {}),
      };
    });
  }
}

/** `acct_…` by number. */
export async function accountIds(
  on: Querying,
  provider: string,
  numbers: ReadonlySet<number>,
): Promise<Map<number, string>> {
  const rows = await queryRows<{ id: string; number: number }>(
    on,
    'SELECT id, number FROM accounts WHERE provider_id = $1 AND number = ANY ($2::integer[])',
    [provider, [...numbers].map(String)],
  );
  return new Map(rows.map(({ id, number }) => [number, id]));
}

/** The number of an account. */
export async function accountNumber(on: Querying, provider: string, account: string): Promise<number | undefined> {
  const [row] = await queryRows<{ number: number }>(
    on,
    'SELECT number FROM accounts WHERE provider_id = $1 AND id = $2',
    [provider, account],
  );
  return row?.number;
}

async function metersHearing(
  on: Querying,
  provider: string,
  { types, numbers }: { readonly types: ReadonlySet<string>; readonly numbers: ReadonlySet<number> },
): Promise<{ readonly byType: Map<string, string[]>; readonly byNumber: Map<number, { id: string; type: string }> }> {
  const rows = await queryRows<{ id: string; number: number; type: string }>(
    on,
    `SELECT id, number, event_type AS type FROM meters
    WHERE provider_id = $1 AND (event_type = ANY ($2::text[]) OR number = ANY ($3::integer[])) ORDER BY number`,
    [provider, [...types], [...numbers].map(String)],
  );
  const byType = new Map<string, string[]>();
  for (const { id, type } of rows) byType.set(type, [...(byType.get(type) ?? []), id]);
  return { byType, byNumber: new Map(rows.map((row) => [row.number, row])) };
}
