import { type Decimal, compareDecimals, formatDecimal } from '@core/money';
import type { Instant } from '@core/time';
import { readNumber } from './quantity-text.js';
import type { AcceptedEvent, Action, LoggedEvent } from './usage-event.js';

/** What an event says, apart from its identity. */
export interface EventContent {
  /** The meter's id, or whatever else stands for the event's type for all time. */
  readonly meter: string;
  readonly account: string;
  /** Undefined when the sender stated none. */
  readonly time: Instant | undefined;
  readonly value?: Decimal | undefined;
  readonly level?: Decimal | undefined;
  readonly delta?: Decimal | undefined;
  readonly action?: Action | undefined;
  readonly weight?: Decimal | undefined;
  readonly cost?: Decimal | undefined;
  readonly resource?: string | undefined;
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
}

/**
 * The content of an event as it is accepted or as the log tells it. Of the log's form nothing is known of meters: its type
 * stands for them, and numbers are read as they are.
 */
export const contentOf = (event: AcceptedEvent | LoggedEvent, account: string): EventContent => ({
  meter: 'meter' in event ? event.meter : event.type,
  account,
  time: event.timeStated ? event.time : undefined,
  value: exact(event.value),
  level: exact(event.level),
  delta: exact(event.delta),
  action: event.action,
  weight: exact(event.weight),
  cost: exact(event.cost),
  resource: event.resource,
  dimensions: event.dimensions,
});

const exact = (number: Decimal | string | undefined): Decimal | undefined =>
  typeof number === 'string' ? readNumber(number) : number;

const number = (value: Decimal | undefined): string | null => (value ? formatDecimal(value) : null);

/** Dimensions in the order of their names. */
export const sortedDimensions = (dimensions: Readonly<Record<string, string>> | undefined): [string, string][] =>
  Object.entries(dimensions ?? {}).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

/**
 * One text for all ways of writing the same content: 1.0 and 1, dimensions in any order, a time in any zone. Events of
 * one identity are the same event exactly when these texts are equal; what is stored is their SHA-256. An event without any
 * of the fields of the second form is written in the first one, so that hashes stored before there was a second still tell.
 */
export function canonicalContent(content: EventContent): string {
  const { delta, action, weight, cost } = content;
  const first = [
    content.meter,
    content.account,
    content.time ?? null,
    number(content.value),
    number(content.level),
    content.resource ?? null,
    sortedDimensions(content.dimensions),
  ];
  return delta || action || weight || cost
    ? JSON.stringify(['farebox.event.2', ...first, number(delta), action ?? null, number(weight), number(cost)])
    : JSON.stringify(['farebox.event.1', ...first]);
}

/**
 * Which fields of a repeated identity differ from what is stored, by their names on the wire. What is stored does not say
 * whether its time was stated, so a time is compared only when the repeat states one; when nothing else differs, that is it.
 */
export function differingFields(stored: EventContent, sent: EventContent): string[] {
  const differs: [string, boolean][] = [
    ['type', stored.meter !== sent.meter],
    ['subject', stored.account !== sent.account],
    ['time', sent.time !== undefined && stored.time !== sent.time],
    ['data.value', !sameNumber(stored.value, sent.value)],
    ['data.level', !sameNumber(stored.level, sent.level)],
    ['data.delta', !sameNumber(stored.delta, sent.delta)],
    ['data.action', stored.action !== sent.action],
    ['data.weight', !sameNumber(stored.weight, sent.weight)],
    ['data.cost', !sameNumber(stored.cost, sent.cost)],
    ['data.resource', stored.resource !== sent.resource],
    [
      'data.dimensions',
      JSON.stringify(sortedDimensions(stored.dimensions)) !== JSON.stringify(sortedDimensions(sent.dimensions)),
    ],
  ];
  const names = differs.filter(([, differ]) => differ).map(([name]) => name);
  return names.length > 0 ? names : ['time'];
}

const sameNumber = (a: Decimal | undefined, b: Decimal | undefined): boolean =>
  a === undefined || b === undefined ? a === b : compareDecimals(a, b) === 0;
