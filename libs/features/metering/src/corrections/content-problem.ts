import { type LoggedEvent, type Meter, acceptEvent } from '@core/metering';
import { type Instant, formatInstant } from '@core/time';

/** Why a corrected or backfilled event would not be accepted. It may be older than a new one, and not more ahead. */
export function contentProblem(
  event: LoggedEvent,
  meters: readonly Meter[],
  now: Instant,
):
  | { readonly fault: 'invalid_request' | 'unprocessable'; readonly reason: string; readonly message: string }
  | undefined {
  if (meters.length === 0) {
    const message = `No meter hears "${event.type}" (the event's "type"): create it first.`;
    return { fault: 'unprocessable', reason: 'unknown_meter', message };
  }
  const { source, id, type, subject, time, timeStated: _stated, ...data } = event;
  const judged = acceptEvent(
    { source, id, type, subject, time: formatInstant(time), data },
    meters,
    time < now ? time : now,
  );
  if (judged.outcome === 'accepted') return undefined;
  const { reason, message } = judged;
  return judged.outcome === 'held'
    ? {
        fault: 'unprocessable',
        reason,
        message: `${message.replace(/: it is held.*$/, '')}. Correct the quantity, or raise the ceiling.`,
      }
    : { fault: 'invalid_request', reason, message };
}
