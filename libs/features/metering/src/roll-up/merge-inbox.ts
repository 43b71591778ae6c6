import { type LoggedEvent, canonicalContent, eventAt } from '@core/metering';
import type { Writer, WriterTx } from '@platform/database';
import type { OpenEntry } from './catalogue.js';
import {
  type BatchIdentities,
  IDENTITY_BYTES,
  MARK_BYTES,
  contentOfEvent,
  identitiesOf,
} from '../doors/event-identity.js';
import { type IdentityClaims, IdentityStore, POSITION_BYTES, type TakenIdentity } from '../doors/identity.store.js';
import { LogReader } from '../log/log.reader.js';

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

/** Events of inbox entries on their way to their identities: place i is event `ordinals[i]` of `entries[i]`. */
interface Arrivals extends IdentityClaims {
  readonly entries: readonly BatchEntry[];
}

type BatchEntry = Extract<OpenEntry, { readonly batch: unknown }>;

/** Deduplicates the open door's events that were accepted before anybody looked whether they are new. */
export class MergeInbox {
  readonly #identities: IdentityStore;
  readonly #log = new LogReader();

  constructor(writer: Writer) {
    this.#identities = new IdentityStore(writer);
  }

  /** Takes the identities of a page's inbox entries and answers with the events that are no new ones. */
  async run(tx: WriterTx, page: readonly OpenEntry[]): Promise<Repeat[]> {
    const inbox = page.flatMap((open) => ('batch' in open && open.entry.kind === 'inbox' ? [open] : []));
    const heldOnes = await this.#held(tx, inbox);
    const arrivals = arrivalsOf(inbox, heldOnes);
    const repeats: Repeat[] = [];
    for (const [place, first] of await this.#identities.claimAll(tx, arrivals)) {
      const [open, ordinal = -1] = [arrivals.entries[place], arrivals.ordinals[place]];
      if (!open) continue;
      const { position, accounts } = open.entry;
      const event = eventAt(open.batch, ordinal);
      const account = accounts[open.batch.columns.account[ordinal] ?? -1] ?? 0;
      const same = first.same === true || (await this.#same(tx, first, event, account));
      const held = heldOnes.has(`${position}.${ordinal}`);
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

/** An entry with the identities of its events, when it is of the inbox: they can be known before anybody asks for them. */
export function identified(open: OpenEntry): OpenEntry {
  const { entry } = open;
  return 'batch' in open && entry.kind === 'inbox'
    ? { ...open, identities: identitiesOf(entry.provider, open.batch, entry.accounts) }
    : open;
}

/** What a page's inbox entries bring, but for what was rejected when it arrived. */
function arrivalsOf(inbox: readonly BatchEntry[], held: ReadonlySet<string>): Arrivals {
  const parts = inbox.map((open) => {
    const { entry, batch } = open;
    const all = open.identities ?? identitiesOf(entry.provider, batch, entry.accounts);
    const skipped = new Set(entry.skip.filter((ordinal) => !held.has(`${entry.position}.${ordinal}`)));
    const ordinals = Array.from(batch.columns.type, (_, ordinal) => ordinal).filter((ordinal) => !skipped.has(ordinal));
    const positions = Buffer.alloc(POSITION_BYTES * ordinals.length);
    ordinals.forEach((_, i) => positions.writeBigInt64BE(entry.position, i * POSITION_BYTES));
    const claims = skipped.size === 0 ? all : identitiesAt(all, ordinals);
    return { ...claims, positions, ordinals, entries: ordinals.map(() => open) };
  });
  return {
    identities: Buffer.concat(parts.map(({ identities }) => identities)),
    marks: Buffer.concat(parts.map(({ marks }) => marks)),
    unmarked: Buffer.concat(parts.map(({ unmarked }) => unmarked)),
    positions: Buffer.concat(parts.map(({ positions }) => positions)),
    ordinals: parts.flatMap(({ ordinals }) => ordinals),
    entries: parts.flatMap(({ entries }) => entries),
  };
}

const identitiesAt = (of: BatchIdentities, ordinals: readonly number[]): BatchIdentities => ({
  identities: Buffer.concat(ordinals.map((i) => of.identities.subarray(i * IDENTITY_BYTES, (i + 1) * IDENTITY_BYTES))),
  marks: Buffer.concat(ordinals.map((i) => of.marks.subarray(i * MARK_BYTES, (i + 1) * MARK_BYTES))),
  unmarked: Uint8Array.from(ordinals, (i) => of.unmarked[i] ?? 0),
});
