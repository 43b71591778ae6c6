import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource, isId } from '@core/ids';
import { MOST_BATCH_EVENTS, type SentEvent } from '@core/metering';
import type { Instant } from '@core/time';
import type { Database, Tx, Writer, WriterTx } from '@platform/database';
import {
  BackfillPlanner,
  type BackfillPlan,
  type BackfillVerdict,
  MOST_BACKFILL_EVENTS,
  changeOf,
} from './backfill-plan.js';
import { type AffectedUsage, BackfillPreview, type BackfillQuantity } from './backfill-preview.js';
import type { Backfill, BackfillState, Replaces } from './backfill.js';
import { BackfillStore, type StoredBackfill } from './backfill.store.js';
import { type PlacedVerdict, judgeGiven } from './backfill-events.js';
import { changeEntry, placeNew } from './change-entry.js';
import { type CatchesUp, CorrectionStore } from './correction.store.js';
import { EventFinder } from '../log/event-finder.js';
import { TargetLookup } from '../doors/event-targets.js';
import { IdentityStore, identityRecord } from '../doors/identity.store.js';

interface AddedPart {
  readonly accepted: number;
  readonly rejected: number;
  /** One for each event that was not accepted, with its place among those given. */
  readonly verdicts: readonly PlacedVerdict[];
  readonly backfill: Backfill;
}

interface CommittedBackfill {
  readonly outcome: 'committed' | 'already_committed';
  readonly backfill: Backfill;
  /** Events that came to count, in a first or a new version. */
  readonly added: number;
  /** Stored events that stopped counting in the version they had. */
  readonly replaced: number;
  /** Events not added, because their identity is stored. Empty when it was committed before. */
  readonly verdicts: readonly BackfillVerdict[];
}

interface Named {
  readonly provider: string;
  /** `bkf_…` */
  readonly backfill: string;
}

const MOST_PER_PAGE = 200;
const ATTEMPTS = 5;

/** An identity was stored between planning and writing: plan again. */
class Overtaken extends Error {}

/**
 * Sets of past events, with or without taking the place of stored ones: made as a draft, looked at, then committed as one change
 * of the usage log or dropped; a committed one can be reverted. By its state every step happens once, however often it is asked
 * for.
 */
export class Backfills {
  readonly #store = new BackfillStore();
  readonly #corrections = new CorrectionStore();
  readonly #planner: BackfillPlanner;
  readonly #preview: BackfillPreview;
  readonly #targets: TargetLookup;
  readonly #identities: IdentityStore;
  readonly #finder: EventFinder;

  constructor(
    private readonly database: Database,
    private readonly writer: Writer,
    private readonly ids: IdSource,
    rollUp: CatchesUp,
  ) {
    this.#identities = new IdentityStore(writer);
    this.#planner = new BackfillPlanner(this.#identities);
    this.#preview = new BackfillPreview(writer, this.#planner);
    this.#targets = new TargetLookup(writer);
    this.#finder = new EventFinder(writer, rollUp);
  }

  /**
   * @throws Fault invalid_request (`invalid_range`) when it replaces no span of time, not_found (`unknown_account`)
   */
  async create(input: {
    readonly provider: string;
    readonly replaces?: Replaces | undefined;
    readonly reason?: string | undefined;
  }): Promise<Backfill> {
    const { provider, replaces, reason } = input;
    if (replaces && replaces.to <= replaces.from) {
      throw new Fault('invalid_request', 'What is replaced ends after it begins: "from" is in it, "to" is not.', {
        reason: 'invalid_range',
      });
    }
    if (replaces?.account !== undefined) {
      const { account } = replaces;
      const [known] = await this.writer.query('SELECT FROM accounts WHERE provider_id = $1 AND id = $2', [
        provider,
        account,
      ]);
      if (!known) {
        throw new Fault('not_found', `There is no account with the id "${account.slice(0, 64)}".`, {
          reason: 'unknown_account',
        });
      }
    }
    // The time and chance of an id of ours, under a prefix of its own.
    const id = this.ids.next(ID_PREFIXES.backfill);
    await this.#store.insert(this.writer, { id, provider, replaces, reason });
    return this.read({ provider, backfill: id });
  }

  /**
   * Adds events to a draft. Those that are good are kept, whatever becomes of the others: they may be of any age, and must state
   * their time.
   * @throws Fault payload_too_large for more than {@link MOST_BATCH_EVENTS}, unprocessable (`backfill_full`), not_found
   * (`unknown_backfill`), conflict (`not_a_draft`)
   */
  async add(input: Named & { readonly events: readonly SentEvent[]; readonly now: Instant }): Promise<AddedPart> {
    const { provider, backfill: id, events, now } = input;
    if (events.length > MOST_BATCH_EVENTS) {
      throw new Fault('payload_too_large', `Add at most ${MOST_BATCH_EVENTS} events at a time.`);
    }
    const types = new Set(events.map(({ type }) => type));
    const targets = await this.#targets.find(provider, types, new Set(events.map(({ subject }) => subject)), now);
    const { good, verdicts } = judgeGiven(events, targets, now);
    const backfill = await this.writer.transaction(async (tx) => {
      const draft = await this.#draft(tx, provider, id);
      if (draft.events + good.length > MOST_BACKFILL_EVENTS) {
        throw new Fault('unprocessable', `A backfill has at most ${MOST_BACKFILL_EVENTS} events: make another one.`, {
          reason: 'backfill_full',
        });
      }
      if (good.length > 0) {
        await this.#store.addPart(tx, provider, id, good, (subject) => targets.account(subject)?.number ?? 0);
      }
      return this.#store.get(tx, provider, id);
    });
    return { accepted: good.length, rejected: verdicts.length, verdicts, backfill: shown(backfill) };
  }

  /** @throws Fault not_found (`unknown_backfill`) */
  async read({ provider, backfill }: Named): Promise<Backfill> {
    return shown(await this.database.forProvider(provider, (tx) => this.#store.get(tx, provider, backfill)));
  }

  /** The last created first. */
  async list(input: {
    readonly provider: string;
    readonly state?: BackfillState | undefined;
    readonly cursor?: string | undefined;
    readonly limit?: number | undefined;
  }): Promise<{ readonly backfills: readonly Backfill[]; readonly next?: string }> {
    const { provider, state, cursor, limit = 50 } = input;
    if (!Number.isInteger(limit) || limit < 1 || limit > MOST_PER_PAGE) {
      throw new Fault('invalid_request', `"limit" is a whole number from 1 to ${MOST_PER_PAGE}.`, {
        reason: 'invalid_limit',
      });
    }
    if (cursor !== undefined && !isId(cursor, ID_PREFIXES.backfill)) {
      throw new Fault('invalid_request', 'That is not a cursor: use the "next" of the page before, unchanged.', {
        reason: 'invalid_cursor',
      });
    }
    const rows = await this.database.forProvider(provider, (tx) =>
      this.#store.list(tx, provider, { state, before: cursor, limit: limit + 1 }),
    );
    const backfills = rows.slice(0, limit).map(shown);
    const last = backfills.at(-1);
    return { backfills, ...(rows.length > limit && last ? { next: last.id } : {}) };
  }

  /** Quantities before it and with it, for every account and meter it changes, and what would not be added. */
  async quantities(
    input: Named & { readonly now: Instant },
  ): Promise<{ readonly quantities: readonly BackfillQuantity[]; readonly verdicts: readonly BackfillVerdict[] }> {
    await this.#finder.catchUp();
    return this.#preview.quantities(this.database, input);
  }

  /**
   * Applies what committing the draft would change to the derived rows, in the caller's transaction, and calls `run` with what is
   * affected. The caller rolls the transaction back; the roll-up waits until then.
   * @throws Fault not_found (`unknown_backfill`), conflict (`not_a_draft`)
   */
  async within<T>(tx: Tx, backfill: string, run: (affected: readonly AffectedUsage[]) => Promise<T>): Promise<T> {
    const { affected } = await this.#preview.apply(tx, backfill);
    return run(affected);
  }

  /**
   * Makes a draft count, as one change.
   * @throws Fault not_found (`unknown_backfill`), conflict (`not_a_draft`), unprocessable (`too_many_replaced`), unavailable
   */
  async commit({ provider, backfill: id, now }: Named & { readonly now: Instant }): Promise<CommittedBackfill> {
    await this.#finder.catchUp();
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.writer.transaction((tx) => this.#commit(tx, provider, id, now));
      } catch (error) {
        if (!(error instanceof Overtaken) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #commit(tx: WriterTx, provider: string, id: string, now: Instant): Promise<CommittedBackfill> {
    await this.#corrections.lock(tx, provider, 'all');
    const draft = await this.#store.get(tx, provider, id, true);
    if (draft.state === 'committed') {
      return { outcome: 'already_committed', backfill: shown(draft), added: 0, replaced: 0, verdicts: [] };
    }
    if (draft.state !== 'draft') throw notDraft(draft);
    const plan = await this.#planner.commit(tx, provider, draft);
    const by = await this.#write(tx, provider, plan, now);
    await this.#store.committed(tx, provider, id, by, now);
    const { added, plus, minus, verdicts } = plan;
    const backfill = shown(await this.#store.get(tx, provider, id));
    return { outcome: 'committed', backfill, added: added.length + plus.length, replaced: minus.length, verdicts };
  }

  /**
   * Undoes a committed backfill: what it added stops counting and what it replaced counts again, unless it was corrected since.
   * @throws Fault not_found (`unknown_backfill`), conflict (`not_committed`, `replaced_since`), unavailable
   */
  async revert({ provider, backfill: id, now }: Named & { readonly now: Instant }): Promise<{
    readonly outcome: 'reverted' | 'already_reverted';
    readonly backfill: Backfill;
  }> {
    await this.#finder.catchUp();
    return this.writer.transaction(async (tx) => {
      await this.#corrections.lock(tx, provider, 'all');
      const committed = await this.#store.get(tx, provider, id, true);
      if (committed.state === 'reverted') return { outcome: 'already_reverted', backfill: shown(committed) };
      if (committed.state !== 'committed') {
        throw new Fault('conflict', `Only what is committed can be reverted; this backfill is ${aState(committed)}.`, {
          reason: 'not_committed',
        });
      }
      const plan = await this.#planner.revert(tx, provider, committed);
      const by = await this.#write(tx, provider, plan, now);
      await this.#store.reverted(tx, provider, id, by, now);
      return { outcome: 'reverted', backfill: shown(await this.#store.get(tx, provider, id)) };
    });
  }

  /** @throws Fault not_found (`unknown_backfill`), conflict (`not_a_draft`) */
  async drop({ provider, backfill: id }: Named): Promise<{
    readonly outcome: 'dropped' | 'already_dropped';
    readonly backfill: Backfill;
  }> {
    return this.writer.transaction(async (tx) => {
      const found = await this.#store.get(tx, provider, id, true);
      if (found.state === 'dropped') return { outcome: 'already_dropped', backfill: shown(found) };
      if (found.state !== 'draft') throw notDraft(found);
      await this.#store.dropped(tx, provider, id);
      return { outcome: 'dropped', backfill: shown(await this.#store.get(tx, provider, id)) };
    });
  }

  /** One entry for everything; undefined when there is nothing to change. */
  async #write(tx: WriterTx, provider: string, plan: BackfillPlan, now: Instant): Promise<bigint | undefined> {
    if (plan.minus.length + plan.plus.length + plan.added.length === 0) return undefined;
    if (plan.added.length > 0) await this.#identities.lock(tx);
    const position = await this.#corrections.nextPosition(tx);
    const taken = await this.#identities.claim(
      tx,
      position,
      placeNew(position, plan.added).map(({ event, account, receipt }) =>
        identityRecord(provider, event, account, receipt.ordinal),
      ),
    );
    if (taken.size > 0) throw new Overtaken();
    await this.#corrections.revise(tx, provider, position, plan.revisions, now);
    await this.#corrections.append(tx, provider, position, changeEntry(position, changeOf(position, plan)));
    return position;
  }

  async #draft(tx: WriterTx, provider: string, id: string): Promise<StoredBackfill> {
    const found = await this.#store.get(tx, provider, id, true);
    if (found.state !== 'draft') throw notDraft(found);
    return found;
  }
}

const aState = ({ state }: Backfill): string => (state === 'draft' ? 'a draft' : state);

const notDraft = (found: Backfill): Fault =>
  new Fault('conflict', `This backfill is ${aState(found)}: make another one.`, { reason: 'not_a_draft' });

const shown = ({ committedBy: _entry, ...backfill }: StoredBackfill): Backfill => backfill;
