import { Fault } from '@core/faults';
import { RESERVED_SOURCE, type Receipt } from '@core/metering';
import type { Instant } from '@core/time';
import type { Writer, WriterTx } from '@platform/database';
import { type Version, changeEntry } from './change-entry.js';
import { type CatchesUp, type CorrectionAction, CorrectionStore } from './correction.store.js';
import { EventFinder, type EventName } from '../log/event-finder.js';
import { EventHistories, type EventHistory, countedVersion, nextRevision, stateOf } from '../log/event-histories.js';
import type { UsageEventView } from '../log/event-view.js';

/** What a correction does to the event: another version of it, or nothing. */
export interface Correction<Outcome extends string> {
  readonly outcome: Outcome;
  readonly revise?: {
    readonly action: CorrectionAction;
    readonly version?: Version;
    readonly reason?: string | undefined;
  };
  /** It is held, and is not to count any more. */
  readonly discard?: boolean;
}

/** What void and amend have in common: one event, found by its identity and changed while nobody else can. */
export class CorrectEvent {
  readonly #store = new CorrectionStore();
  readonly #histories = new EventHistories();
  readonly #finder: EventFinder;

  constructor(
    private readonly writer: Writer,
    rollUp: CatchesUp,
  ) {
    this.#finder = new EventFinder(writer, rollUp);
  }

  /**
   * @throws Fault not_found (`unknown_event`), unprocessable (`sold_usage`), unavailable when the roll-up is far behind
   */
  async run<Outcome extends string>(
    { provider, source, id, now }: EventName & { readonly provider: string; readonly now: Instant },
    decide: (history: EventHistory, tx: WriterTx) => Correction<Outcome> | Promise<Correction<Outcome>>,
  ): Promise<{ readonly outcome: Outcome; readonly event: UsageEventView }> {
    if (source.startsWith(RESERVED_SOURCE)) {
      throw new Fault(
        'unprocessable',
        'Usage sold through the gate is paid and cannot be corrected: give the money back instead.',
        { reason: 'sold_usage' },
      );
    }
    const receipt = await this.#finder.find(provider, { source, id });
    if (!receipt) throw unknownEvent({ source, id });
    return this.writer.transaction(async (tx) => {
      await this.#store.lock(tx, provider, receipt);
      await this.#store.lockHeld(tx, provider, receipt);
      const history = await this.#read(tx, provider, receipt, { source, id });
      const correction = await decide(history, tx);
      if (correction.discard) await this.#store.resolveHeld(tx, provider, [receipt], 'discarded');
      if (correction.revise) await this.#apply(tx, provider, history, correction.revise, now);
      const after = await this.#read(tx, provider, receipt, { source, id });
      const [event] = await this.#histories.views(tx, provider, [after]);
      if (!event) throw new Fault('invariant_broken', 'a corrected event cannot be shown');
      return { outcome: correction.outcome, event };
    });
  }

  async #read(tx: WriterTx, provider: string, receipt: Receipt, name: EventName): Promise<EventHistory> {
    const history = await this.#histories.find(tx, provider, receipt);
    if (!history || stateOf(history) === undefined) throw unknownEvent(name);
    return history;
  }

  async #apply(
    tx: WriterTx,
    provider: string,
    history: EventHistory,
    revise: NonNullable<Correction<string>['revise']>,
    now: Instant,
  ): Promise<void> {
    const { receipt } = history;
    const counted = countedVersion(history);
    const position = await this.#store.nextPosition(tx);
    const entry = changeEntry(position, {
      minus: counted ? [{ ...counted, receipt }] : [],
      plus: revise.version ? [{ ...revise.version, receipt }] : [],
    });
    await this.#store.revise(tx, provider, position, [{ receipt, revision: nextRevision(history), ...revise }], now);
    await this.#store.append(tx, provider, position, entry);
  }
}

export const unknownEvent = ({ source, id }: EventName): Fault =>
  new Fault('not_found', 'No usage event with this source and id was accepted.', {
    reason: 'unknown_event',
    details: { source: source.slice(0, 256), id: id.slice(0, 256) },
  });
