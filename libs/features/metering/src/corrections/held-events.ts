import { Fault } from '@core/faults';
import type { LoggedEvent } from '@core/metering';
import type { Instant } from '@core/time';
import type { Database, Writer, WriterTx } from '@platform/database';
import { changeEntry } from './change-entry.js';
import { contentProblem } from './content-problem.js';
import { CorrectionStore, type HeldRow } from './correction.store.js';
import { EventHistories, nextRevision } from '../log/event-histories.js';
import { type EventTargets, TargetLookup } from '../doors/event-targets.js';
import { formatReceipt, parseReceipt } from '../log/event-view.js';

export const HELD_STATES = ['held', 'replayed', 'discarded'] as const;
type HeldState = (typeof HELD_STATES)[number];

/** An event that is kept and does not count. */
export interface HeldEvent {
  /** `<position>.<ordinal>` */
  readonly receipt: string;
  readonly reason: string;
  readonly state: HeldState;
  readonly event: LoggedEvent;
  readonly heldAt: Instant;
  readonly resolvedAt?: Instant;
}

interface HeldPage {
  readonly events: readonly HeldEvent[];
  /** Where the next page begins; absent on the last one. */
  readonly next?: string;
}

/** Which held events: by their receipts, or all that match. */
export type HeldSelection =
  | { readonly receipts: readonly string[] }
  | {
      readonly reason?: string | undefined;
      readonly type?: string | undefined;
      readonly subject?: string | undefined;
      /** Receipt of the last one dealt with; those after it are meant. */
      readonly after?: string | undefined;
    };

interface ReplayVerdict {
  readonly receipt: string;
  /** held: what it waits for is not there yet · rejected: it does not fit the meters that hear it now. */
  readonly verdict: 'held' | 'rejected';
  readonly reason: string;
  /** A sentence that says what is wrong and what to do. */
  readonly message: string;
}

interface ReplayResult {
  readonly replayed: number;
  /** One for each event that did not come to count. */
  readonly verdicts: readonly ReplayVerdict[];
  /** Given as `after`, goes on with the events not looked at; absent when there are none. */
  readonly next?: string;
}

/** Most events dealt with by one call. */
export const MOST_HELD_PER_CALL = 5_000;
const MOST_PER_PAGE = 500;

interface Asked {
  readonly select: HeldSelection;
  readonly most?: number | undefined;
}

interface Selected {
  readonly rows: readonly HeldRow[];
  readonly next: { readonly next?: string };
}

/**
 * The events that are kept aside: dead letters, for which an account or meter was unknown, and quarantine. Their identities are
 * taken like those of any other, so each is there once.
 */
export class HeldEvents {
  readonly #store = new CorrectionStore();
  readonly #histories = new EventHistories();
  readonly #targets: TargetLookup;

  constructor(
    private readonly database: Database,
    private readonly writer: Writer,
  ) {
    this.#targets = new TargetLookup(writer);
  }

  /**
   * In order of receipt.
   * @throws Fault invalid_request for a cursor or limit that is none
   */
  async list(input: {
    readonly provider: string;
    readonly state?: HeldState | undefined;
    readonly reason?: string | undefined;
    readonly cursor?: string | undefined;
    readonly limit?: number | undefined;
  }): Promise<HeldPage> {
    const { provider, state, reason, cursor } = input;
    const limit = limitOf(input.limit, MOST_PER_PAGE);
    const after = cursor === undefined ? undefined : parseReceipt(cursor);
    const rows = await this.database.forProvider(provider, (tx) =>
      this.#store.selectHeld(tx, provider, { state, reason, after, limit: limit + 1 }),
    );
    const events = rows.slice(0, limit).map(({ receipt, ...row }) => ({ receipt: formatReceipt(receipt), ...row }));
    return { events, ...nextOf(rows.length > limit, events.at(-1)?.receipt) };
  }

  /**
   * Looks at held events again: those whose account and meter are known now come to count, at the place in the order of receipt
   * they always had and whatever the ceilings say; the others stay. Repeating it changes nothing.
   * @throws Fault invalid_request for receipts, cursors and limits that are none
   */
  async replay(input: {
    readonly provider: string;
    readonly select: HeldSelection;
    readonly most?: number | undefined;
    readonly now: Instant;
  }): Promise<ReplayResult> {
    const { provider, now } = input;
    // Names are looked up before the transaction, which then needs no second connection.
    const { rows: seen } = await this.#select(this.writer, provider, input);
    const targets = await this.#targets.find(
      provider,
      new Set(seen.map(({ event }) => event.type)),
      new Set(seen.map(({ event }) => event.subject)),
      now,
    );
    return this.writer.transaction(async (tx) => {
      const { rows, next } = await this.#take(tx, provider, input);
      const verdicts: ReplayVerdict[] = [];
      const ready = rows.filter((row) => {
        const verdict = verdictOn(row, targets, now);
        if (verdict) verdicts.push({ receipt: formatReceipt(row.receipt), ...verdict });
        return !verdict;
      });
      await this.#count(tx, provider, ready, targets, now);
      return { replayed: ready.length, verdicts, ...next };
    });
  }

  /** Held events that are never to count. They stay readable, and their identities stay taken. */
  async discard(input: {
    readonly provider: string;
    readonly select: HeldSelection;
    readonly most?: number | undefined;
  }): Promise<{ readonly discarded: number; readonly next?: string }> {
    return this.writer.transaction(async (tx) => {
      const { rows, next } = await this.#take(tx, input.provider, input);
      const receipts = rows.map(({ receipt }) => receipt);
      if (receipts.length > 0) await this.#store.resolveHeld(tx, input.provider, receipts, 'discarded');
      return { discarded: receipts.length, ...next };
    });
  }

  /** The selected events that are still held, kept from changing until the end of the transaction. */
  async #take(tx: WriterTx, provider: string, asked: Asked): Promise<Selected> {
    await this.#store.lockOutBackfills(tx, provider);
    return this.#select(tx, provider, asked, true);
  }

  async #select(on: Writer | WriterTx, provider: string, { select, most }: Asked, lock = false): Promise<Selected> {
    const limit = limitOf(most ?? MOST_HELD_PER_CALL, MOST_HELD_PER_CALL);
    const chosen =
      'receipts' in select
        ? { receipts: select.receipts.map(parseReceipt) }
        : { ...select, after: select.after === undefined ? undefined : parseReceipt(select.after) };
    const found = await this.#store.selectHeld(on, provider, { ...chosen, state: 'held', limit: limit + 1, lock });
    const rows = found.slice(0, limit);
    const last = rows.at(-1);
    return { rows, next: nextOf(found.length > limit, last && formatReceipt(last.receipt)) };
  }

  async #count(
    tx: WriterTx,
    provider: string,
    rows: readonly HeldRow[],
    targets: EventTargets,
    now: Instant,
  ): Promise<void> {
    if (rows.length === 0) return;
    const receipts = rows.map(({ receipt }) => receipt);
    const histories = await this.#histories.load(tx, provider, receipts);
    const plus = rows.map(({ receipt, event }) => ({
      receipt,
      event,
      account: targets.account(event.subject)?.number ?? 0,
    }));
    const position = await this.#store.nextPosition(tx);
    const revisions = plus.map(({ receipt, ...version }) => {
      const history = histories.get(formatReceipt(receipt));
      if (!history) throw new Fault('invariant_broken', 'a held event is not in the usage log');
      return { receipt, revision: nextRevision(history), action: 'restore' as const, version };
    });
    await this.#store.revise(tx, provider, position, revisions, now);
    await this.#store.resolveHeld(tx, provider, receipts, 'replayed', position);
    await this.#store.append(tx, provider, position, changeEntry(position, { minus: [], plus }));
  }
}

/** What no replay can mend, and what to do about it. */
const FOR_GOOD: Readonly<Record<string, string>> = {
  conflict:
    'Its source and id are those of another event with other content, which counts. Send the usage again with an id of its own, then discard this one.',
  unreadable:
    'It could not be read when it was rolled up. Send the usage again with an id of its own, then discard this one.',
};

function verdictOn(
  { event, reason }: HeldRow,
  targets: EventTargets,
  now: Instant,
): Omit<ReplayVerdict, 'receipt'> | undefined {
  const lasting = FOR_GOOD[reason];
  if (lasting !== undefined) return { verdict: 'held', reason, message: lasting };
  const meters = targets.meters(event.type).flatMap(({ versions }) => versions);
  if (meters.length > 0 && !targets.account(event.subject)) {
    const message = `There is no account with the id, name or wallet "${event.subject}": create it, then replay the event.`;
    return { verdict: 'held', reason: 'unknown_account', message };
  }
  const problem = contentProblem(event, meters, now);
  if (!problem || problem.reason === 'over_event_ceiling') return undefined;
  const verdict = problem.reason === 'unknown_meter' ? 'held' : 'rejected';
  return { verdict, reason: problem.reason, message: problem.message };
}

function limitOf(limit: number | undefined, most: number): number {
  const asked = limit ?? 100;
  if (Number.isInteger(asked) && asked >= 1 && asked <= most) return asked;
  throw new Fault('invalid_request', `"limit" is a whole number from 1 to ${most}.`, { reason: 'invalid_limit' });
}

const nextOf = (more: boolean, next: string | undefined): { readonly next?: string } =>
  more && next !== undefined ? { next } : {};
