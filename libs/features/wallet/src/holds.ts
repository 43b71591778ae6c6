import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { Clock, Instant } from '@core/time';
import { KnownPlaces } from '@features/ledger';
import { isColumnText, type Writer } from '@platform/database';
import {
  budgetIdsOf,
  type CaptureOutcome,
  decideCapture,
  decideExtend,
  decideRelease,
  decideTake,
  endOverdue,
  type ExtendOutcome,
  type HoldToCapture,
  type HoldToExtend,
  type HoldToRelease,
  type HoldToTake,
  type ReleaseOutcome,
  type TakeOutcome,
} from './decide-holds.js';
import { type HoldJson, holdOf, type StoredHold } from './stored-hold.js';
import { WalletBatch } from './wallet-batch.js';
import type { Reply } from './wallet-changes.js';
import { CallQueue } from './call-queue.js';
import type { LockedWallet } from './locked-wallet.js';
import { type CallSubject, WalletMemory } from './wallet-memory.js';
import { WalletStore } from './wallet.store.js';

/** One call that waits: what it is about, and what decides it. It may be decided again on newer facts; the last time counts. */
interface Call extends CallSubject {
  readonly run: (batch: WalletBatch) => void;
}

/** Answers larger than this are not kept. */
const KEPT_BYTES = 256 * 1024;
/** Most holds ended in one transaction of the sweep. */
const SWEPT = 500;
/** How old the database's time may be that something is decided by, in milliseconds; after a pause it is asked anew. */
const LAG_MS = 1_000;

/**
 * Holds on prepaid balances, for the gate. Calls that wait at the same time, of whatever kind and for whatever accounts, are
 * decided in the order of their arrival by the rules of core. Wallets that this process wrote last are decided as it remembers them
 * and written in one statement if they are still so; the others are locked, read, decided and written in one transaction. A call
 * that does not fit leaves the ones after it as they are.
 */
export class Holds {
  readonly #store = new WalletStore();
  readonly #memory = new WalletMemory();
  readonly #places = new KnownPlaces();
  readonly #calls = new CallQueue<Call>((calls) => this.#decide(calls));
  /** Batches that were decided one on top of the other are written in that order. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The database's time as it told it last. */
  #told: Instant | undefined;

  /** `clock`: absent, time is the database's, which all processes share. */
  constructor(
    private readonly writer: Writer,
    private readonly ids: IdSource,
    private readonly clock?: Clock,
  ) {}

  /**
   * Sets value aside for a request. What is refused leaves nothing behind: the same key may come again.
   * @throws Fault invalid_request for a text with a control character that separates values
   */
  async take(item: HoldToTake): Promise<TakeOutcome> {
    requireTexts(item.key, item.fingerprint, item.payer, item.agentKey, item.resource, item.meter?.name, item.priceId);
    const id = this.ids.next(ID_PREFIXES.hold);
    const { account, asset, key } = item;
    return this.#join({ wallet: { account, asset, key }, budgets: budgetIdsOf(item) }, (batch) =>
      decideTake(batch, item, id),
    );
  }

  /** Charges what was used, keeps the answer, records the usage and posts the entry, in one transaction. */
  capture(item: HoldToCapture): Promise<CaptureOutcome> {
    return this.#join({ hold: item.hold }, (batch) => decideCapture(batch, keptReply(item)));
  }

  /** Fixes what was used so far and covers more, both as totals. */
  extend(item: HoldToExtend): Promise<ExtendOutcome> {
    return this.#join({ hold: item.hold }, (batch) => decideExtend(batch, item));
  }

  async release(item: HoldToRelease): Promise<ReleaseOutcome> {
    requireTexts(item.reason);
    return this.#join({ hold: item.hold }, (batch) => decideRelease(batch, item));
  }

  /** An open hold as this process remembers it: good for what of a hold never changes. */
  recall(id: string): StoredHold | undefined {
    return this.#memory.hold(id);
  }

  async find(id: string): Promise<StoredHold | undefined> {
    const [row] = await this.writer.query<{ hold: HoldJson }>(
      'SELECT hold_json(h) AS hold FROM holds h WHERE h.id = $1',
      [id],
    );
    return row && holdOf(row.hold);
  }

  /** The answer that was kept with the capture; undefined when there is none. */
  async reply(id: string): Promise<Reply | undefined> {
    const [row] = await this.writer.query<{ status: number; headers: Record<string, string>; body: Buffer }>(
      'SELECT status, headers, body FROM hold_replies WHERE hold_id = $1',
      [id],
    );
    return row && { status: row.status, headers: row.headers, body: row.body.toString('base64') };
  }

  /**
   * Ends the holds whose time is over: what a long answer had used is charged, the rest let go.
   * @returns how many ended
   */
  async expireHolds(): Promise<number> {
    let ended = 0;
    for (;;) {
      const due = await this.writer.query<{ id: string }>(
        `SELECT id FROM holds WHERE state = 'held' AND expires_at <= coalesce(timestamptz 'epoch' + $1::bigint * interval '1 millisecond', now())
         ORDER BY expires_at, id LIMIT ${SWEPT}`,
        [this.clock?.now() ?? null],
      );
      if (due.length === 0) return ended;
      ended += await this.#endAll(due.map(({ id }) => id));
      if (due.length < SWEPT) return ended;
    }
  }

  async #endAll(ids: readonly string[]): Promise<number> {
    return this.writer.transaction(async (tx) => {
      const batch = new WalletBatch(await this.#store.lock(tx, { holds: ids }, this.clock?.now()), this.ids);
      const overdue = ids
        .flatMap((id) => batch.hold(id) ?? [])
        .filter(({ state, expiresAt }) => state === 'held' && batch.at >= expiresAt);
      for (const hold of overdue) endOverdue(batch, hold);
      const changes = batch.changes();
      if (changes) await this.#store.write(tx, changes);
      return overdue.length;
    });
  }

  async #join<Outcome>(subject: CallSubject, decide: (batch: WalletBatch) => Outcome): Promise<Outcome> {
    const answers: (() => Outcome)[] = [];
    await this.#calls.add({
      ...subject,
      run: (batch) => {
        // A decision that breaks an invariant fails alone: it threw before it changed anything.
        try {
          const outcome = decide(batch);
          answers[0] = () => outcome;
        } catch (error) {
          answers[0] = () => {
            throw error;
          };
        }
      },
    });
    const [answer] = answers;
    if (!answer) throw new Fault('invariant_broken', 'a call of a batch was not decided');
    return answer();
  }

  async #decide(calls: readonly Call[]): Promise<void> {
    const at = this.clock ? this.clock.now() : this.#told;
    const remembered = new Map<Call, LockedWallet>();
    for (const call of at === undefined ? [] : calls) {
      const wallet = at === undefined ? undefined : this.#memory.of(call, at);
      if (wallet) remembered.set(call, wallet);
    }
    const isDone = at !== undefined && remembered.size > 0 && (await this.#decideRemembered(remembered, at));
    const others = isDone ? calls.filter((call) => !remembered.has(call)) : calls;
    if (others.length > 0) await this.#decideRead(others);
  }

  /** Whether it was written; if not, what was remembered was no longer so, and every call is to be decided again. */
  async #decideRemembered(calls: ReadonlyMap<Call, LockedWallet>, at: Instant): Promise<boolean> {
    const wallets = [...new Set(calls.values())];
    const asked = [...calls.keys()];
    const holds = asked.flatMap(({ hold }) => (hold === undefined ? [] : (this.#memory.hold(hold) ?? [])));
    const batch = new WalletBatch({ at, wallets, holds }, this.ids);
    for (const call of asked) call.run(batch);
    // The next batch is decided on it before it is written. Should it not be, the next one finds another version than it expects.
    this.#memory.update(batch.decided());
    const changes = batch.changes(this.#places);
    const keys = asked.flatMap(({ wallet }) => wallet ?? []);
    const commit = { wallets, keys, lag: this.clock ? undefined : LAG_MS, at, changes };
    const committed = this.#turn.then(() => this.#store.commit(this.writer, commit));
    this.#turn = committed.catch(() => undefined);
    try {
      const { written, stale } = this.#hear(await committed);
      if (written) {
        if (changes) this.#places.learn(changes.opened);
      } else {
        this.#memory.forget(wallets);
        this.#memory.contest(wallets.filter(({ account }) => stale.includes(account)));
      }
      return written;
    } catch (error) {
      // Whether it was written is not known.
      this.#memory.forget(wallets);
      throw error;
    }
  }

  async #decideRead(calls: readonly Call[]): Promise<void> {
    const budgets = calls.flatMap((call) => call.budgets ?? []);
    const decided = await this.writer.transaction(async (tx) => {
      const locked = this.#hear(
        await this.#store.lock(
          tx,
          {
            wallets: calls.flatMap(({ wallet }) => wallet ?? []),
            holds: calls.flatMap(({ hold }) => hold ?? []),
            budgets,
          },
          this.clock?.now(),
        ),
      );
      const batch = new WalletBatch(locked, this.ids);
      for (const call of calls) call.run(batch);
      const changes = batch.changes();
      if (changes) await this.#store.write(tx, changes);
      return batch.decided();
    });
    this.#memory.learn(decided, budgets);
  }

  /** Takes over the database's time. Answers may overtake each other: it goes back only when the database's clock was set back. */
  #hear<Told extends { readonly at: Instant }>(told: Told): Told {
    const known = this.#told;
    if (known === undefined || told.at > known || known - told.at > LAG_MS) this.#told = told.at;
    return told;
  }
}

/** One text that cannot be written must not fail the others of its batch. */
function requireTexts(...texts: readonly (string | undefined)[]): void {
  if (texts.every((text) => text === undefined || isColumnText(text))) return;
  throw new Fault('invalid_request', 'No text may have the control characters U+001C to U+001F in it.', {
    reason: 'invalid_field',
  });
}

const keptReply = (item: HoldToCapture): HoldToCapture =>
  item.reply && Buffer.byteLength(item.reply.body, 'base64') > KEPT_BYTES ? { ...item, reply: undefined } : item;
