import type { Instant } from '@core/time';
import type { Writer } from '@platform/database';
import { CorrectEvent, type Correction } from './correct-event.js';
import type { CatchesUp } from './correction.store.js';
import { type EventHistory, stateOf } from '../log/event-histories.js';
import type { UsageEventView } from '../log/event-view.js';

interface VoidEventInput {
  readonly provider: string;
  /** The identity of the event. */
  readonly source: string;
  readonly id: string;
  readonly reason?: string | undefined;
  readonly now: Instant;
}

type Outcome = 'voided' | 'already_voided' | 'discarded' | 'already_discarded';

interface VoidEventResult {
  /** discarded: it was held and never counted. */
  readonly outcome: Outcome;
  readonly event: UsageEventView;
}

/** An event stops counting; it stays readable, and its identity stays taken. Repeating it changes nothing. */
export class VoidEvent {
  readonly #correct: CorrectEvent;

  /** @param rollUp events that were received and not looked at yet are rolled up first */
  constructor(writer: Writer, rollUp: CatchesUp) {
    this.#correct = new CorrectEvent(writer, rollUp);
  }

  /**
   * @throws Fault not_found (`unknown_event`), unprocessable (`sold_usage`), unavailable (`roll_up_behind`)
   */
  async run(input: VoidEventInput): Promise<VoidEventResult> {
    return this.#correct.run(input, (history) => decide(history, input.reason));
  }
}

function decide(history: EventHistory, reason: string | undefined): Correction<Outcome> {
  const state = stateOf(history);
  if (state === 'held') return { outcome: 'discarded', discard: true };
  if (state === 'discarded') return { outcome: 'already_discarded' };
  if (state === 'voided') return { outcome: 'already_voided' };
  return { outcome: 'voided', revise: { action: 'void', reason } };
}
