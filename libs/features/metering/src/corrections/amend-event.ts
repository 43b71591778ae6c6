import { Fault } from '@core/faults';
import type { LoggedEvent, SentData } from '@core/metering';
import { type Instant, parseInstant } from '@core/time';
import type { Writer } from '@platform/database';
import { type Version, sameContent } from './change-entry.js';
import { contentProblem } from './content-problem.js';
import { CorrectEvent } from './correct-event.js';
import type { CatchesUp } from './correction.store.js';
import { type EventHistory, countedVersion, stateOf } from '../log/event-histories.js';
import type { EventState, UsageEventView } from '../log/event-view.js';
import { MeterReader } from '../meters/meter.reader.js';

/** What is left out stays as it is; `data` is replaced as a whole. */
interface AmendEventInput {
  readonly provider: string;
  /** The identity of the event. */
  readonly source: string;
  readonly id: string;
  readonly type?: string | undefined;
  /** RFC 3339. */
  readonly time?: string | undefined;
  readonly data?: SentData | null | undefined;
  readonly reason?: string | undefined;
  readonly now: Instant;
}

type Outcome = 'amended' | 'unchanged';

interface AmendEventResult {
  readonly outcome: Outcome;
  readonly event: UsageEventView;
}

/**
 * A new version of an event counts in place of the one before, with the same identity, account and place in the order of
 * receipt. Versions before it stay readable. Repeating it changes nothing.
 */
export class AmendEvent {
  readonly #correct: CorrectEvent;
  readonly #meters = new MeterReader();

  /** @param rollUp events that were received and not looked at yet are rolled up first */
  constructor(writer: Writer, rollUp: CatchesUp) {
    this.#correct = new CorrectEvent(writer, rollUp);
  }

  /**
   * @throws Fault not_found (`unknown_event`), conflict (`voided`, `held`, `discarded`), invalid_request with the reason for which
   * an event of this content would be rejected, unprocessable (`sold_usage`, `unknown_meter`, `over_event_ceiling`), unavailable
   * (`roll_up_behind`)
   */
  async run(input: AmendEventInput): Promise<AmendEventResult> {
    if (input.time !== undefined && parseInstant(input.time) === undefined) {
      throw new Fault(
        'invalid_request',
        '"time" must be an RFC 3339 date-time with an offset, e.g. 2026-11-21T08:00:00Z.',
        { reason: 'invalid_time' },
      );
    }
    return this.#correct.run<Outcome>(input, async (history, tx) => {
      const { current, version } = amended(history, input);
      if (sameContent(current.event, version.event)) return { outcome: 'unchanged' };
      const meters = await this.#meters.listening(tx, input.provider, [version.event.type]);
      const problem = contentProblem(
        version.event,
        meters.flatMap(({ versions }) => versions),
        input.now,
      );
      if (problem) throw new Fault(problem.fault, problem.message, { reason: problem.reason });
      return { outcome: 'amended', revise: { action: 'amend', version, reason: input.reason } };
    });
  }
}

/** The version that counts and the one that is asked for. */
function amended(
  history: EventHistory,
  { type, time, data }: AmendEventInput,
): { readonly current: Version; readonly version: Version } {
  const refused = REFUSALS[stateOf(history) ?? 'counted'];
  const current = countedVersion(history);
  if (refused || !current) throw refusal(refused ?? VOIDED);
  const { event, account } = current;
  const { source, id, subject } = event;
  const stated = time === undefined ? undefined : parseInstant(time);
  const measured = data === undefined ? event : (data ?? {});
  const { value, level, delta, action, weight, cost, resource, dimensions } = measured;
  const next: LoggedEvent = {
    source,
    id,
    type: type ?? event.type,
    subject,
    time: stated ?? event.time,
    timeStated: event.timeStated || stated !== undefined,
    value,
    level,
    delta,
    action,
    weight,
    cost,
    resource,
    ...(dimensions && Object.keys(dimensions).length > 0 ? { dimensions } : {}),
  };
  return { current, version: { event: next, account } };
}

interface Refusal {
  readonly reason: string;
  readonly message: string;
}

const VOIDED: Refusal = {
  reason: 'voided',
  message: 'A voided event cannot be amended: send the usage again with an id of its own.',
};
const REFUSALS: Partial<Record<EventState, Refusal>> = {
  voided: VOIDED,
  held: {
    reason: 'held',
    message:
      'The event is held and does not count: replay it first, or void it and send the usage with an id of its own.',
  },
  discarded: {
    reason: 'discarded',
    message: 'The event was held and then discarded: send the usage again with an id of its own.',
  },
};

const refusal = ({ reason, message }: Refusal): Fault => new Fault('conflict', message, { reason });
