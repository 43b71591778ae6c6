import type { LoggedEvent, Receipt } from '@core/metering';
import { type Instant, formatInstant } from '@core/time';
import { type Writer, at } from '@platform/database';
import { unknownEvent } from '../corrections/correct-event.js';
import type { CatchesUp, CorrectionAction } from '../corrections/correction.store.js';
import { EventFinder } from './event-finder.js';
import { EventHistories, type EventHistory } from './event-histories.js';
import type { UsageEventView } from './event-view.js';
import { GATE_SOURCE, entriesAt, eventsOf } from './usage-entries.js';

/** One version of an event, the first one being what was received. */
export interface EventVersion {
  /** 0 for what was received. */
  readonly revision: number;
  /** restore: it came to count by a replay, or again by the reverting of a backfill. */
  readonly action: 'received' | CorrectionAction;
  /** Absent in a version that voids it. */
  readonly event?: LoggedEvent;
  readonly reason?: string;
  /** `bkf_…` that made this version. */
  readonly backfill?: string;
  readonly at: Instant;
}

/** One event by its identity, with all its versions. */
export class ReadEvent {
  readonly #histories = new EventHistories();
  readonly #finder: EventFinder;

  /** @param rollUp events that were received and not looked at yet are rolled up first */
  constructor(
    private readonly writer: Writer,
    rollUp: CatchesUp,
  ) {
    this.#finder = new EventFinder(writer, rollUp);
  }

  /** @throws Fault not_found (`unknown_event`), unavailable (`roll_up_behind`) */
  async run({
    provider,
    source,
    id,
  }: {
    readonly provider: string;
    readonly source: string;
    readonly id: string;
  }): Promise<{ readonly event: UsageEventView; readonly versions: readonly EventVersion[] }> {
    const receipt =
      source === GATE_SOURCE ? await this.#sold(provider, id) : await this.#finder.find(provider, { source, id });
    const history = receipt && (await this.#histories.find(this.writer, provider, receipt));
    const [event] = history ? await this.#histories.views(this.writer, provider, [history]) : [];
    if (!history || !event) throw unknownEvent({ source, id });
    return { event, versions: versionsOf(history) };
  }

  /** Usage sold goes by its payment, which says when it was served and so where it may be. */
  async #sold(provider: string, payment: string): Promise<Receipt | undefined> {
    const [paid] = await this.writer.query<{ served: Date | null }>(
      'SELECT served_at AS served FROM payments WHERE provider_id = $1 AND id = $2',
      [provider, payment],
    );
    if (!paid?.served) return undefined;
    const rows = await this.writer.query<{ position: string }>(
      `SELECT position::text AS position FROM usage_log
      WHERE provider_id = $1 AND kind = 'sold' AND until >= $2::timestamptz AND since <= $2::timestamptz`,
      [provider, formatInstant(at(paid.served))],
    );
    for await (const entry of entriesAt(
      this.writer,
      provider,
      rows.map(({ position }) => BigInt(position)),
    )) {
      for (const { event, receipt } of eventsOf(entry)) if (event.id === payment) return receipt;
    }
    return undefined;
  }
}

const versionsOf = ({ first, receivedAt, revisions }: EventHistory): EventVersion[] => [
  { revision: 0, action: 'received', event: first.event, at: receivedAt },
  ...revisions.map(({ version, ...revision }) => ({ ...revision, ...(version ? { event: version.event } : {}) })),
];
