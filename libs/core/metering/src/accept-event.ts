import type { Decimal } from '@core/money';
import { type Instant, addMs, formatInstant } from '@core/time';
import { readTime } from './event-time.js';
import { FIELDS_OF, type Field, PRINTABLE, misfit, overCeiling } from './fit-meters.js';
import { type Meter, metersAt } from './meter.js';
import { readNumber } from './quantity-text.js';
import { type Hold, type Rejection, held, rejected } from './rejection.js';
import type { AcceptedEvent, LoggedEvent, SentEvent } from './usage-event.js';

type Acceptance = { readonly outcome: 'accepted'; readonly event: AcceptedEvent } | Rejection | Hold;

/** How far ahead of ours a sender's clock may be. */
export const FUTURE_TOLERANCE_MS = 5 * 60_000;
/** How old usage may be when it arrives. */
export const ACCEPTED_AGE_MS = 35 * 86_400_000;
/** Sources beginning so are written by Farebox alone: usage sold through the gate. */
export const RESERVED_SOURCE = 'farebox:';

const MOST_DIMENSIONS = 8;
const MOST_DIMENSION_BYTES = 64;

type Names = Pick<SentEvent, 'source' | 'id' | 'type' | 'subject'>;

/** What makes the names in an event unusable; undefined when they can be looked up. */
function nameProblem(event: Names): Rejection | undefined {
  const field = (name: string) => `"${name}" must have 1 to 256 printable characters.`;
  if (!PRINTABLE.test(event.id)) return rejected('invalid_identity', field('id'));
  const source = sourceProblem(event.source);
  if (source) return source;
  if (!PRINTABLE.test(event.type)) return rejected('invalid_type', field('type'));
  if (!PRINTABLE.test(event.subject)) return rejected('invalid_subject', field('subject'));
  return undefined;
}

/** What makes a source unusable: it cannot be printed, or is kept for Farebox. */
export function sourceProblem(source: string): Rejection | undefined {
  if (!PRINTABLE.test(source)) {
    return rejected('invalid_identity', '"source" must have 1 to 256 printable characters.');
  }
  return source.startsWith(RESERVED_SOURCE)
    ? rejected(
        'reserved_source',
        `Sources that begin with "${RESERVED_SOURCE}" are kept for Farebox; use another name.`,
      )
    : undefined;
}

/** A sent event as the log keeps it; an event without a time happens when it is received. Only the time is judged. */
export function loggedEvent(event: SentEvent, receivedAt: Instant): LoggedEvent | Rejection {
  const time = event.time === undefined ? receivedAt : readTime(event.time);
  if (time === undefined) {
    return rejected('invalid_time', '"time" must be an RFC 3339 date-time with an offset, e.g. 2026-11-21T08:00:00Z.');
  }
  // Field by field: this is done for every event that is ever sent, and spreading what is not there takes most of the time.
  const logged: { -readonly [Field in keyof LoggedEvent]: LoggedEvent[Field] } = {
    source: event.source,
    id: event.id,
    type: event.type,
    subject: event.subject,
    time,
    timeStated: event.time !== undefined,
  };
  const { data } = event;
  if (!data) return logged;
  const { value, level, delta, action, weight, cost, resource, dimensions } = data;
  if (value !== undefined) logged.value = value;
  if (level !== undefined) logged.level = level;
  if (delta !== undefined) logged.delta = delta;
  if (action !== undefined) logged.action = action;
  if (weight !== undefined) logged.weight = weight;
  if (cost !== undefined) logged.cost = cost;
  if (resource !== undefined) logged.resource = resource;
  if (dimensions && Object.keys(dimensions).length > 0) logged.dimensions = dimensions;
  return logged;
}

/**
 * Whether an event counts for the meters that hear it (in any of their versions; the one in force at its time decides), and in
 * what form. Rules: acceptance of usage events, 5 minutes ahead to 35 days back.
 */
export function acceptEvent(event: SentEvent, meters: Meter | readonly Meter[], now: Instant): Acceptance {
  const names = nameProblem(event);
  if (names) return names;
  const logged = loggedEvent(event, now);
  if ('outcome' in logged) return logged;
  const hearing = 'id' in meters ? [meters] : meters;
  return judgeEvent(logged, hearing, true, now) ?? { outcome: 'accepted', event: acceptedForm(logged, hearing) };
}

/** Why an event does not count, or not yet; undefined when it does. What is wrong for good goes before what may be mended. */
export function judgeEvent(
  event: LoggedEvent,
  meters: readonly Meter[],
  accountKnown: boolean,
  now: Instant,
): Rejection | Hold | undefined {
  const hearing = metersAt(meters, event.time);
  const rejection =
    nameProblem(event) ??
    timeProblem(event.time, now) ??
    misfit(event, hearing) ??
    (event.dimensions && !dimensionsFit(event.dimensions) ? DIMENSIONS_REJECTED : undefined);
  if (rejection) return rejection;
  if (hearing.length === 0) {
    return held(
      'unknown_meter',
      `No meter hears "${event.type}": the event is kept. Create the meter, then replay it; do not send it again.`,
    );
  }
  if (!accountKnown) {
    return held(
      'unknown_account',
      `There is no account "${event.subject}": the event is kept. Create the account, then replay it; do not send it again.`,
    );
  }
  const over = overCeiling(event, hearing);
  return over === undefined ? undefined : held('over_event_ceiling', over);
}

function timeProblem(time: Instant, now: Instant): Rejection | undefined {
  if (time > now + FUTURE_TOLERANCE_MS) {
    const latest = formatInstant(addMs(now, FUTURE_TOLERANCE_MS));
    return rejected(
      'time_in_future',
      `"time" is more than 5 minutes ahead (latest accepted: ${latest}): set the sender's clock.`,
    );
  }
  if (time < now - ACCEPTED_AGE_MS) {
    const earliest = formatInstant(addMs(now, -ACCEPTED_AGE_MS));
    return rejected('time_too_old', `"time" is more than 35 days back (earliest accepted: ${earliest}).`);
  }
  return undefined;
}

const DIMENSIONS_REJECTED = rejected(
  'invalid_dimensions',
  `Send at most ${MOST_DIMENSIONS} dimensions, each key and value printable and at most ${MOST_DIMENSION_BYTES} bytes.`,
);

/** At most eight, each key and value printable and of at most 64 bytes; a value may be empty. */
export function dimensionsFit(dimensions: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(dimensions);
  // A unit of a string takes at most three bytes, so that short ones need not be written out to be counted.
  const isShort = (text: string) =>
    text.length * 3 <= MOST_DIMENSION_BYTES || new TextEncoder().encode(text).length <= MOST_DIMENSION_BYTES;
  const fits = (text: string) => PRINTABLE.test(text) && isShort(text);
  return (
    entries.length <= MOST_DIMENSIONS && entries.every(([key, value]) => fits(key) && (value === '' || fits(value)))
  );
}

const exact = <Name extends string>(name: Name, text: string | undefined): { [name in Name]?: Decimal } => {
  const number = text === undefined ? undefined : readNumber(text);
  return number ? ({ [name]: number } as { [name in Name]: Decimal }) : {};
};

function acceptedForm(event: LoggedEvent, meters: readonly Meter[]): AcceptedEvent {
  const { source, id, type, subject, time, timeStated, action, dimensions } = event;
  const uses = (field: Field) =>
    metersAt(meters, time).some(({ aggregation }) => FIELDS_OF[aggregation].includes(field));
  // Runs and levels belong to a resource; without a name to the single one of the account.
  const resource = event.resource ?? (uses('resource') ? '' : undefined);
  return {
    source,
    id,
    type,
    subject,
    meter: meters[0]?.id ?? '',
    time,
    timeStated,
    // The 1 that a counted event may carry says nothing.
    ...(uses('value') ? exact('value', event.value) : {}),
    ...exact('level', event.level),
    ...exact('delta', event.delta),
    ...(action ? { action } : {}),
    ...exact('weight', event.weight),
    ...exact('cost', event.cost),
    ...(resource === undefined ? {} : { resource }),
    ...(dimensions ? { dimensions } : {}),
  };
}
