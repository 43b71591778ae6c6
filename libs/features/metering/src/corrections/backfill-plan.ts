import { Fault } from '@core/faults';
import type { Receipt } from '@core/metering';
import type { Writer, WriterTx } from '@platform/database';
import type { Backfill, Replaces } from './backfill.js';
import { BackfillStore, type StoredBackfill } from './backfill.store.js';
import { type Change, type PlacedVersion, type Version, placeNew, sameContent } from './change-entry.js';
import { CorrectionStore, type NewRevision } from './correction.store.js';
import { findStored, nameKey } from '../log/event-finder.js';
import {
  EventHistories,
  type EventHistory,
  accountNumber,
  countedVersion,
  nextRevision,
  stateOf,
} from '../log/event-histories.js';
import { formatReceipt } from '../log/event-view.js';
import type { IdentityStore } from '../doors/identity.store.js';
import { LogReader } from '../log/log.reader.js';
import { eventsOf } from '../log/usage-entries.js';

/** What became of one event of a backfill that was not added. */
export interface BackfillVerdict {
  readonly source: string;
  readonly id: string;
  readonly verdict: 'rejected' | 'duplicate' | 'conflict';
  readonly reason: string;
  /** A sentence that says what is wrong and what to do. */
  readonly message: string;
}

/** What a backfill, or its undoing, does to stored events. */
export interface BackfillPlan {
  /** Versions that stop counting. */
  readonly minus: readonly PlacedVersion[];
  /** Versions of stored events that come to count. */
  readonly plus: readonly PlacedVersion[];
  /** Events that are not stored yet. */
  readonly added: readonly Version[];
  readonly revisions: readonly NewRevision[];
  readonly verdicts: readonly BackfillVerdict[];
}

/** Most stored events one backfill may replace, and most it may hold: its entry is written and rolled up as one. */
export const MOST_BACKFILL_EVENTS = 200_000;

/** The change of the log with an entry at a position. */
export const changeOf = (position: bigint, { minus, plus, added }: BackfillPlan): Change => ({
  minus,
  plus: [...plus, ...placeNew(position, added)],
});

interface Replaced extends PlacedVersion {
  /** The number of the next revision. */
  readonly revision: number;
}

/** Works out what backfills do. It reads only. */
export class BackfillPlanner {
  readonly #log = new LogReader();
  readonly #backfills = new BackfillStore();
  readonly #corrections = new CorrectionStore();
  readonly #histories = new EventHistories();

  constructor(private readonly identities: IdentityStore) {}

  /** What committing a draft does to the events that are stored and rolled up now. */
  async commit(on: Writer | WriterTx, provider: string, backfill: Backfill): Promise<BackfillPlan> {
    const { id, replaces, reason } = backfill;
    const replaced = replaces ? await this.#replaced(on, provider, replaces) : new Map<string, Replaced>();
    const { given, verdicts } = await this.#given(on, provider, backfill);
    const stored = await findStored(
      on,
      this.identities,
      provider,
      given.map(({ event }) => event),
    );
    const others = await this.#others(
      on,
      provider,
      [...stored.values()].filter((receipt) => !replaced.has(formatReceipt(receipt))),
    );

    const minus: PlacedVersion[] = [];
    const plus: PlacedVersion[] = [];
    const added: Version[] = [];
    const revisions: NewRevision[] = [];
    for (const version of given) {
      const receipt = stored.get(nameKey(version.event));
      if (!receipt) {
        added.push(version);
        continue;
      }
      const key = formatReceipt(receipt);
      const before = replaced.get(key);
      const verdict = before ? clash(before, version) : others.verdict(key, version);
      // What is stored already, with the same content, stays in its place.
      if (before && verdict?.verdict !== 'conflict') replaced.delete(key);
      if (verdict) {
        verdicts.push(verdict);
        continue;
      }
      if (before) minus.push(before);
      plus.push({ ...version, receipt });
      const revision = before?.revision ?? others.nextRevision(key);
      revisions.push({ receipt, revision, action: before ? 'amend' : 'restore', version, reason, backfill: id });
    }
    for (const { revision, ...version } of replaced.values()) {
      minus.push(version);
      revisions.push({ receipt: version.receipt, revision, action: 'void', reason, backfill: id });
    }
    return { minus, plus, added, revisions, verdicts };
  }

  /**
   * What undoes a committed backfill: what it added stops counting, and what it replaced counts again as before, unless it was
   * corrected by itself since.
   * @throws Fault conflict (`replaced_since`) when another backfill stands on it
   */
  async revert(on: Writer | WriterTx, provider: string, backfill: StoredBackfill): Promise<BackfillPlan> {
    const { id, committedBy } = backfill;
    const revised = await this.#corrections.revisedBy(on, provider, id);
    const own = committedBy === undefined ? [] : await this.#ownEvents(on, committedBy);
    const histories = await this.#histories.load(on, provider, [...revised, ...own]);
    const states = await this.#backfills.states(
      on,
      provider,
      new Set([...histories.values()].flatMap(({ revisions }) => revisions.flatMap(({ backfill: by }) => by ?? []))),
    );
    const minus: PlacedVersion[] = [];
    const plus: PlacedVersion[] = [];
    const revisions: NewRevision[] = [];
    for (const history of histories.values()) {
      const last = history.revisions.at(-1);
      if (last?.backfill !== undefined && last.backfill !== id && states.get(last.backfill) === 'committed') {
        throw new Fault('conflict', 'Another backfill replaces events of this one: revert that one first.', {
          reason: 'replaced_since',
          details: { backfill: last.backfill },
        });
      }
      const before = versionBefore(history, id, states);
      if (before === 'stays') continue;
      const { receipt } = history;
      const now = countedVersion(history);
      if (now) minus.push({ ...now, receipt });
      if (before) plus.push({ ...before, receipt });
      const action = before ? ('restore' as const) : ('void' as const);
      if (now || before)
        revisions.push({ receipt, revision: nextRevision(history), action, version: before, backfill: id });
    }
    return { minus, plus, added: [], revisions, verdicts: [] };
  }

  /** The events that count now, of the type, the account and the span that is replaced, by receipt. */
  async #replaced(on: Writer | WriterTx, provider: string, replaces: Replaces): Promise<Map<string, Replaced>> {
    const { type, from, to } = replaces;
    const account =
      replaces.account === undefined ? undefined : ((await accountNumber(on, provider, replaces.account)) ?? -1);
    const meant = ({ event, account: own }: Version) =>
      event.type === type &&
      event.time >= from &&
      event.time < to &&
      own !== 0 &&
      (account === undefined || own === account);
    const found = new Map<string, Replaced>();
    const through = await this.#log.cursor(on);
    const range = { after: 0n, through, provider, use: { start: from, end: to } };
    for await (const page of this.#log.pages(on, range)) {
      const events = page.flatMap((entry) =>
        entry.kind === 'sold'
          ? []
          : [...eventsOf(entry)].filter((each) => meant(each) && !entry.skip.includes(each.receipt.ordinal)),
      );
      const corrected = await this.#corrections.revisions(
        on,
        provider,
        events.map(({ receipt }) => receipt),
      );
      for (const { receipt, event, account: own } of events) {
        const key = formatReceipt(receipt);
        if (!corrected.has(key)) found.set(key, { receipt, event, account: own, revision: 1 });
      }
      if (found.size > MOST_BACKFILL_EVENTS) throw tooMany();
    }
    for (const { receipt, version, revision } of await this.#corrections.correctedInto(on, provider, replaces)) {
      if (version && meant(version)) found.set(formatReceipt(receipt), { receipt, ...version, revision: revision + 1 });
    }
    if (found.size > MOST_BACKFILL_EVENTS) throw tooMany();
    return found;
  }

  /** The events of the backfill, each identity once. */
  async #given(
    on: Writer | WriterTx,
    provider: string,
    backfill: Backfill,
  ): Promise<{ readonly given: readonly Version[]; readonly verdicts: BackfillVerdict[] }> {
    const given = new Map<string, Version>();
    const verdicts: BackfillVerdict[] = [];
    for await (const version of this.#backfills.events(on, provider, backfill)) {
      const first = given.get(nameKey(version.event));
      if (!first) given.set(nameKey(version.event), version);
      else verdicts.push(clash(first, version) ?? verdictOn(version, 'conflict', 'content_differs'));
    }
    return { given: [...given.values()], verdicts };
  }

  /** What is known of stored events that are not replaced. */
  async #others(on: Writer | WriterTx, provider: string, receipts: readonly Receipt[]) {
    const histories = await this.#histories.load(on, provider, receipts);
    const voidedBy = [...histories.values()].flatMap(({ revisions }) => revisions.at(-1)?.backfill ?? []);
    const states = await this.#backfills.states(on, provider, new Set(voidedBy));
    return {
      nextRevision: (key: string): number => {
        const history = histories.get(key);
        return history ? nextRevision(history) : 1;
      },
      /** Undefined for what may come to count again: it stopped only because a backfill was reverted. */
      verdict: (key: string, version: Version): BackfillVerdict | undefined => {
        const history = histories.get(key);
        const state = history && stateOf(history);
        if (!history || state === undefined) return verdictOn(version, 'conflict', 'rejected');
        if (state === 'held' || state === 'discarded') return verdictOn(version, 'conflict', state);
        const counted = countedVersion(history);
        if (counted) return clash(counted, version) ?? verdictOn(version, 'conflict', 'content_differs');
        if (states.get(history.revisions.at(-1)?.backfill ?? '') !== 'reverted')
          return verdictOn(version, 'conflict', 'voided');
        return history.first.account === version.account ? undefined : verdictOn(version, 'conflict', 'other_account');
      },
    };
  }

  async #ownEvents(on: Writer | WriterTx, position: bigint): Promise<Receipt[]> {
    const entry = await this.#log.entry(on, position);
    return entry ? [...eventsOf(entry)].map(({ receipt }) => receipt) : [];
  }
}

/** The version an event had before the backfill, undefined for none; `stays` when the backfill has no part in how it is now. */
function versionBefore(
  history: EventHistory,
  id: string,
  states: ReadonlyMap<string, Backfill['state']>,
): Version | undefined | 'stays' {
  const place = history.revisions.findIndex(({ backfill }) => backfill === id);
  if (place < 0) return undefined;
  // What reverted backfills did after this one, they have undone.
  const standing = history.revisions.findLast(
    ({ backfill }) => backfill === undefined || backfill === id || states.get(backfill) !== 'reverted',
  );
  return standing?.backfill === id
    ? countedVersion({ ...history, revisions: history.revisions.slice(0, place) })
    : 'stays';
}

/** How an event of a backfill stands to one that counts under the same identity; undefined when it may take its place. */
function clash(stored: Version, version: Version): BackfillVerdict | undefined {
  if (stored.account !== version.account) return verdictOn(version, 'conflict', 'other_account');
  return sameContent(stored.event, version.event) ? verdictOn(version, 'duplicate', 'stored') : undefined;
}

const SENTENCES = {
  stored: 'It is stored already, with this content: it stays as it is.',
  content_differs:
    'An event with this source and id counts with other content. Amend it, replace it, or give this one an id of its own.',
  other_account: 'An event with this source and id belongs to another account. Give this one an id of its own.',
  voided: 'The event with this source and id was voided. Give this one an id of its own.',
  held: 'The event with this source and id is held. Replay it, or give this one an id of its own.',
  discarded: 'The event with this source and id was held and then discarded. Give this one an id of its own.',
  rejected: 'The event with this source and id was rejected when it was sent. Give this one an id of its own.',
} as const;

const verdictOn = (
  { event: { source, id } }: Version,
  verdict: BackfillVerdict['verdict'],
  reason: keyof typeof SENTENCES,
): BackfillVerdict => ({ source, id, verdict, reason, message: SENTENCES[reason] });

const tooMany = (): Fault =>
  new Fault(
    'unprocessable',
    `A backfill replaces at most ${MOST_BACKFILL_EVENTS} stored events: choose a shorter span, or one account.`,
    { reason: 'too_many_replaced' },
  );
