import { type Decimal, compareDecimals, decimal, parseDecimal } from '@core/money';
import { type Instant, addMs, formatInstant, parseInstant } from '@core/time';
import type { Meter } from './meter.js';

/** A usage event as it was sent, already read into its shape. (`source`, `id`) is its identity. */
export interface SentEvent {
  readonly source: string;
  readonly id: string;
  /** Name of the meter. */
  readonly type: string;
  /** Which account is charged. */
  readonly subject: string;
  /** RFC 3339; absent: when it is received. */
  readonly time?: string | undefined;
  readonly data?: SentData | null | undefined;
}

export interface SentData {
  readonly value?: string | undefined;
  readonly level?: string | undefined;
  readonly resource?: string | undefined;
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
}

/** An event that counts, with every part in one form. */
export interface AcceptedEvent {
  readonly source: string;
  readonly id: string;
  readonly meter: string;
  /** Time of use. */
  readonly time: Instant;
  /** Whether the sender stated the time: a repeat of an event without one is received at another time and still the same. */
  readonly timeStated: boolean;
  readonly value?: Decimal;
  readonly level?: Decimal;
  readonly resource?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
}

export type RejectionReason =
  | 'invalid_identity'
  | 'reserved_source'
  | 'invalid_type'
  | 'invalid_subject'
  | 'invalid_time'
  | 'time_in_future'
  | 'time_too_old'
  | 'invalid_value'
  | 'invalid_level'
  | 'invalid_resource'
  | 'invalid_dimensions'
  | 'unknown_meter'
  | 'unknown_account';

export interface Rejection {
  readonly outcome: 'rejected';
  readonly reason: RejectionReason;
  /** A sentence that says what is wrong and what to do. */
  readonly message: string;
}

export type Acceptance = { readonly outcome: 'accepted'; readonly event: AcceptedEvent } | Rejection;

/** How far ahead of ours a sender's clock may be. */
export const FUTURE_TOLERANCE_MS = 5 * 60_000;
/** How old usage may be when it arrives. */
export const ACCEPTED_AGE_MS = 35 * 86_400_000;
/** Sources beginning so are written by Farebox alone: usage sold through the gate. */
export const RESERVED_SOURCE = 'farebox:';

const MOST_DIGITS = 38;
const MOST_PLACES = 18;
const MOST_DIMENSIONS = 8;
const MOST_DIMENSION_BYTES = 64;

// Controls, lone surrogates and line separators have no place in a name, and PostgreSQL refuses some of them.
const PRINTABLE = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,256}$/u;

const rejected = (reason: RejectionReason, message: string): Rejection => ({ outcome: 'rejected', reason, message });

/** What makes the names in an event unusable; undefined when they can be looked up. */
export function nameProblem(event: SentEvent): Rejection | undefined {
  const field = (name: string) => `"${name}" must have 1 to 256 printable characters.`;
  if (!PRINTABLE.test(event.id)) return rejected('invalid_identity', field('id'));
  if (!PRINTABLE.test(event.source)) return rejected('invalid_identity', field('source'));
  if (event.source.startsWith(RESERVED_SOURCE)) {
    return rejected(
      'reserved_source',
      `Sources that begin with "${RESERVED_SOURCE}" are kept for Farebox; use another name.`,
    );
  }
  if (!PRINTABLE.test(event.type)) return rejected('invalid_type', field('type'));
  if (!PRINTABLE.test(event.subject)) return rejected('invalid_subject', field('subject'));
  return undefined;
}

/** Whether an event counts for a meter, and in what form. Rules: acceptance of usage events, 5 minutes ahead to 35 days back. */
export function acceptEvent(event: SentEvent, meter: Meter, now: Instant): Acceptance {
  const names = nameProblem(event);
  if (names) return names;
  const time = timeOf(event, now);
  if (typeof time !== 'number') return time;
  const measured = measure(event.data ?? {}, meter);
  if ('outcome' in measured) return measured;
  const dimensions = event.data?.dimensions;
  if (dimensions && !dimensionsFit(dimensions)) {
    return rejected(
      'invalid_dimensions',
      `Send at most ${MOST_DIMENSIONS} dimensions, each key and value printable and at most ${MOST_DIMENSION_BYTES} bytes.`,
    );
  }
  return {
    outcome: 'accepted',
    event: {
      source: event.source,
      id: event.id,
      meter: meter.id,
      time,
      timeStated: event.time !== undefined,
      ...measured,
      ...(dimensions && Object.keys(dimensions).length > 0 ? { dimensions } : {}),
    },
  };
}

function timeOf(event: SentEvent, now: Instant): Instant | Rejection {
  if (event.time === undefined) return now;
  const time = parseInstant(event.time);
  if (time === undefined) {
    return rejected('invalid_time', '"time" must be an RFC 3339 date-time with an offset, e.g. 2026-11-21T08:00:00Z.');
  }
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
  return time;
}

type Measured = Pick<AcceptedEvent, 'value' | 'level' | 'resource'>;

function measure(data: SentData, meter: Meter): Measured | Rejection {
  const stray = strayField(data, meter);
  if (stray) return stray;
  switch (meter.aggregation) {
    case 'count':
      return {};
    case 'sum': {
      const value = quantityOf(data.value);
      return value
        ? { value }
        : rejected('invalid_value', `${meter.name} sums "data.value": ${numberForm(data.value)}`);
    }
    case 'level': {
      const level = quantityOf(data.level);
      if (!level) return rejected('invalid_level', `${meter.name} follows "data.level": ${numberForm(data.level)}`);
      const resource = data.resource ?? '';
      if (resource !== '' && !PRINTABLE.test(resource)) {
        return rejected(
          'invalid_resource',
          '"data.resource" must have at most 256 printable characters; leave it out for a single resource.',
        );
      }
      return { level, resource };
    }
  }
}

/** A measurement the meter would ignore is refused: ignored, it would look counted. */
function strayField(data: SentData, meter: Meter): Rejection | undefined {
  const { aggregation, name } = meter;
  if (aggregation !== 'level' && (data.level !== undefined || data.resource !== undefined)) {
    return rejected(
      'invalid_level',
      `${name} is a ${aggregation} meter and has no levels: leave out "data.level" and "data.resource".`,
    );
  }
  if (aggregation === 'level' && data.value !== undefined) {
    return rejected(
      'invalid_value',
      `${name} is a level meter: send the absolute level as "data.level", and no "data.value".`,
    );
  }
  const counted = data.value === undefined ? undefined : quantityOf(data.value);
  if (
    aggregation === 'count' &&
    data.value !== undefined &&
    !(counted && compareDecimals(counted, decimal(1n)) === 0)
  ) {
    return rejected(
      'invalid_value',
      `${name} counts events, one each: leave out "data.value", or measure with a sum meter.`,
    );
  }
  return undefined;
}

function quantityOf(text: string | undefined): Decimal | undefined {
  const value = text === undefined ? undefined : parseDecimal(text);
  if (!value || value.units < 0n || value.scale > MOST_PLACES) return undefined;
  return value.units < 10n ** BigInt(MOST_DIGITS) ? value : undefined;
}

const numberForm = (text: string | undefined): string =>
  `${text === undefined ? 'it is missing; ' : ''}send a plain decimal of zero or more as a string, e.g. "1.25", with at most ${MOST_DIGITS} digits and ${MOST_PLACES} decimal places.`;

function dimensionsFit(dimensions: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(dimensions);
  const fits = (text: string) => PRINTABLE.test(text) && new TextEncoder().encode(text).length <= MOST_DIMENSION_BYTES;
  return (
    entries.length <= MOST_DIMENSIONS && entries.every(([key, value]) => fits(key) && (value === '' || fits(value)))
  );
}
