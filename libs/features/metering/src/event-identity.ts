import { hash } from 'node:crypto';
import { type EventContent, type LoggedEvent, canonicalContent } from '@core/metering';
import { type Decimal, parseDecimal } from '@core/money';

export const IDENTITY_BYTES = 16;
export const MARK_BYTES = 8;

const number = (text: string | undefined): Decimal | undefined => (text === undefined ? undefined : parseDecimal(text));

/**
 * What an event says, for comparing it with another of the same identity. The account goes by its number, so that its id, its
 * name and its wallet are the same; a resource without a name is none.
 */
export const contentOfEvent = (event: LoggedEvent, account: number): EventContent => ({
  meter: event.type,
  account: String(account),
  time: event.timeStated ? event.time : undefined,
  value: number(event.value),
  level: number(event.level),
  delta: number(event.delta),
  action: event.action,
  weight: number(event.weight),
  cost: number(event.cost),
  resource: event.resource === '' ? undefined : event.resource,
  dimensions: event.dimensions,
});

// SHA-256 comes as a text of one byte a character: it goes where it is wanted without a buffer of its own.
const sha256 = (text: string): string => hash('sha256', text, 'binary');

/** Names are printable, so a line feed cannot be part of one. */
const identityText = (provider: string, source: string, id: string): string => sha256(`${provider}\n${source}\n${id}`);

/** The first 16 bytes of SHA-256 of (provider, source, id). */
export const eventIdentity = (provider: string, source: string, id: string): Buffer =>
  Buffer.from(identityText(provider, source, id).slice(0, IDENTITY_BYTES), 'latin1');

/** Writes {@link eventIdentity} into a buffer. */
export function writeIdentity(to: Buffer, at: number, provider: string, source: string, id: string): void {
  to.write(identityText(provider, source, id), at, IDENTITY_BYTES, 'latin1');
}

/** The first 8 bytes of SHA-256 of the canonical content, as a signed integer. Absent while the account is unknown. */
export const contentMark = (event: LoggedEvent, account: number): bigint | undefined =>
  account === 0
    ? undefined
    : Buffer.from(
        sha256(canonicalContent(contentOfEvent(event, account))).slice(0, MARK_BYTES),
        'latin1',
      ).readBigInt64BE();

/** Writes {@link contentMark} into a buffer. */
export function writeMark(to: Buffer, at: number, event: LoggedEvent, account: number): void {
  to.write(sha256(canonicalContent(contentOfEvent(event, account))), at, MARK_BYTES, 'latin1');
}
