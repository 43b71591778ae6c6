import { type LoggedEvent, type SentEvent, loggedEvent } from '@core/metering';
import type { Instant } from '@core/time';
import type { BackfillVerdict } from './backfill-plan.js';
import { contentProblem } from './content-problem.js';
import type { EventTargets } from '../doors/event-targets.js';

/** A verdict with the place of its event among those given. */
export interface PlacedVerdict extends BackfillVerdict {
  readonly index: number;
}

/**
 * Which of the events given to a backfill are good. They are judged like new ones, but may be of any age; and since nobody waits
 * for what is unknown, an unknown account or meter is refused instead of kept aside.
 */
export function judgeGiven(
  events: readonly SentEvent[],
  targets: EventTargets,
  now: Instant,
): { readonly good: readonly LoggedEvent[]; readonly verdicts: readonly PlacedVerdict[] } {
  const good: LoggedEvent[] = [];
  const verdicts: PlacedVerdict[] = [];
  for (const [index, event] of events.entries()) {
    const logged = loggedEvent(event, now);
    const problem = 'outcome' in logged ? logged : problemOf(event, logged, targets, now);
    if (!problem && !('outcome' in logged)) good.push(logged);
    if (!problem) continue;
    const { reason, message } = problem;
    verdicts.push({ index, source: event.source, id: event.id, verdict: 'rejected', reason, message });
  }
  return { good, verdicts };
}

function problemOf(
  { time, type, subject }: SentEvent,
  logged: LoggedEvent,
  targets: EventTargets,
  now: Instant,
): { readonly reason: string; readonly message: string } | undefined {
  if (time === undefined) {
    const message =
      'An event of a backfill states its "time", an RFC 3339 date-time with an offset, e.g. 2026-11-21T08:00:00Z.';
    return { reason: 'invalid_time', message };
  }
  const meters = targets.meters(type).flatMap(({ versions }) => versions);
  const problem = contentProblem(logged, meters, now);
  if (problem) return problem;
  if (targets.account(subject)) return undefined;
  const message = `There is no account with the id, name or wallet "${subject}": create it first.`;
  return { reason: 'unknown_account', message };
}
