import { type LoggedEvent, canonicalContent, eventAt } from '@core/metering';
import type { Writer, WriterTx } from '@platform/database';
import type { OpenEntry } from './catalogue.js';
import { contentMark, contentOfEvent, eventIdentity } from './event-identity.js';
import { type IdentityClaim, IdentityStore, type TakenIdentity } from './identity.store.js';
import { LogReader } from './log.reader.js';

/** An event of the inbox whose identity was taken before. */
export interface Repeat {
  readonly position: bigint;
  readonly ordinal: number;
  readonly event: LoggedEvent;
  /** Whether it says something else than the first one, or the first one was voided: somebody should look at it. */
  readonly conflict: boolean;
  /** Whether it was held when it arrived. */
  readonly held: boolean;
}

interface Arrival {
  readonly claim: IdentityClaim;
  readonly event: LoggedEvent;
  readonly account: number;
  readonly held: boolean;
}

/** Deduplicates the open door's events that were accepted before anybody looked whether they are new. */
export class MergeInbox {
  readonly #identities: IdentityStore;
  readonly #log = new LogReader();

  constructor(writer: Writer) {
    this.#identities = new IdentityStore(writer);
  }

  /** Takes the identities of a page's inbox entries and answers with the events that are no new ones. */
  async run(tx: WriterTx, page: readonly OpenEntry[]): Promise<Repeat[]> {
    const inbox = page.filter(({ entry }) => entry.kind === 'inbox');
    const held = await this.#held(tx, inbox);
    const arrivals = inbox.flatMap((open) => arrivalsOf(open, held));
    if (arrivals.length === 0) return [];
    const taken = await this.#identities.claim(
      tx,
      arrivals.map(({ claim }) => claim),
    );
    const repeats: Repeat[] = [];
    for (const [i, { claim, event, account, held }] of arrivals.entries()) {
      const first = taken[i];
      if (!first) continue;
      const { position, ordinal } = claim;
      const same = first.same === true || (await this.#same(tx, first, event, account));
      repeats.push({ position, ordinal, event, conflict: first.voided || !same, held });
    }
    return repeats;
  }

  /** Events that were held when they arrived, as `position.ordinal`. Their identities are taken all the same. */
  async #held(tx: WriterTx, inbox: readonly OpenEntry[]): Promise<ReadonlySet<string>> {
    const positions = inbox.filter(({ entry }) => entry.skip.length > 0).map(({ entry }) => entry.position.toString());
    if (positions.length === 0) return new Set();
    const rows = await tx.query<{ receipt: string }>(
      "SELECT position || '.' || ordinal AS receipt FROM usage_held WHERE position = ANY ($1::bigint[])",
      [positions],
    );
    return new Set(rows.map(({ receipt }) => receipt));
  }

  async #same(tx: WriterTx, first: TakenIdentity, event: LoggedEvent, account: number): Promise<boolean> {
    const stored = await this.#log.event(tx, first.receipt);
    if (!stored) return false;
    // Of an event from before its time was recorded as stated, the time is compared only when both say so.
    const timeStated = stored.event.timeStated && event.timeStated;
    // An account that was unknown when the first one came is compared by the name it was given.
    const known = stored.account !== 0 || stored.event.subject !== event.subject;
    const text = (each: LoggedEvent, of: number) => canonicalContent(contentOfEvent({ ...each, timeStated }, of));
    return text(stored.event, stored.account) === text(event, known ? account : 0);
  }
}

function arrivalsOf(open: OpenEntry, heldOnes: ReadonlySet<string>): Arrival[] {
  if (!('batch' in open)) return [];
  const { entry, batch } = open;
  const skipped = new Set(entry.skip);
  return batch.columns.type.flatMap((_type, ordinal): Arrival[] => {
    const held = heldOnes.has(`${entry.position}.${ordinal}`);
    if (skipped.has(ordinal) && !held) return [];
    const event = eventAt(batch, ordinal);
    const account = entry.accounts[batch.columns.account[ordinal] ?? -1] ?? 0;
    const identity = eventIdentity(entry.provider, event.source, event.id);
    const claim = { identity, content: contentMark(event, account), position: entry.position, ordinal };
    return [{ claim, event, account, held }];
  });
}
