import { type Decimal, compareDecimals, formatDecimal } from '@core/money';
import type { Instant } from '@core/time';
import type { AcceptedEvent } from './accept-event.js';

/** What an event says, apart from its identity. */
export interface EventContent {
  readonly meter: string;
  readonly account: string;
  /** Undefined when the sender stated none. */
  readonly time: Instant | undefined;
  readonly value?: Decimal | undefined;
  readonly level?: Decimal | undefined;
  readonly resource?: string | undefined;
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
}

export const contentOf = (event: AcceptedEvent, account: string): EventContent => ({
  meter: event.meter,
  account,
  time: event.timeStated ? event.time : undefined,
  value: event.value,
  level: event.level,
  resource: event.resource,
  dimensions: event.dimensions,
});

const number = (value: Decimal | undefined): string | null => (value ? formatDecimal(value) : null);

const sorted = (dimensions: Readonly<Record<string, string>> | undefined): [string, string][] =>
  Object.entries(dimensions ?? {}).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

/**
 * One text for all ways of writing the same content: 1.0 and 1, dimensions in any order, a time in any zone. Events of
 * one identity are the same event exactly when these texts are equal; what is stored is their SHA-256.
 */
export const canonicalContent = (content: EventContent): string =>
  JSON.stringify([
    'farebox.event.1',
    content.meter,
    content.account,
    content.time ?? null,
    number(content.value),
    number(content.level),
    content.resource ?? null,
    sorted(content.dimensions),
  ]);

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
    ['data.resource', stored.resource !== sent.resource],
    ['data.dimensions', JSON.stringify(sorted(stored.dimensions)) !== JSON.stringify(sorted(sent.dimensions))],
  ];
  const names = differs.filter(([, differ]) => differ).map(([name]) => name);
  return names.length > 0 ? names : ['time'];
}

const sameNumber = (a: Decimal | undefined, b: Decimal | undefined): boolean =>
  a === undefined || b === undefined ? a === b : compareDecimals(a, b) === 0;
