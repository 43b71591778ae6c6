import { hash } from 'node:crypto';
import {
  type EventContent,
  type LoggedEvent,
  type UsageBatch,
  canonicalContent,
  canonicalContents,
} from '@core/metering';
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

/** The first 8 bytes of SHA-256 of the canonical content, as a signed integer. Absent while the account is unknown. */
export const contentMark = (event: LoggedEvent, account: number): bigint | undefined =>
  account === 0
    ? undefined
    : Buffer.from(
        sha256(canonicalContent(contentOfEvent(event, account))).slice(0, MARK_BYTES),
        'latin1',
      ).readBigInt64BE();

/** Who the events of a batch are and what they say, by ordinal. */
export interface BatchIdentities {
  /** {@link eventIdentity} of each, one after the other. */
  readonly identities: Buffer;
  /** {@link contentMark} of each, in as many bytes. */
  readonly marks: Buffer;
  /** 1 where there is no mark: what the event says is not settled while its account is unknown. */
  readonly unmarked: Uint8Array;
}

/** The same for all events of a batch at once. `accounts`: the numbers of those in its dictionary. */
export function identitiesOf(provider: string, batch: UsageBatch, accounts: readonly number[]): BatchIdentities {
  const { columns } = batch;
  const count = columns.type.length;
  const identities = Buffer.allocUnsafe(count * IDENTITY_BYTES);
  const marks = Buffer.alloc(count * MARK_BYTES);
  const unmarked = new Uint8Array(count);
  const contentAt = canonicalContents(batch);
  const beginning = (source: string): string => `${provider}\n${source}\n`;
  const [only, beginnings] = [beginning(batch.source ?? ''), batch.sources?.map(beginning)];
  for (let i = 0; i < count; i += 1) {
    const of = columns.source ? (beginnings?.[columns.source[i] ?? -1] ?? beginning('')) : only;
    const id = columns.id?.[i] ?? `${batch.stream}.${batch.seq}.${i}`;
    identities.write(sha256(of + id), i * IDENTITY_BYTES, IDENTITY_BYTES, 'latin1');
    const account = accounts[columns.account[i] ?? -1] ?? 0;
    if (account === 0) unmarked[i] = 1;
    else marks.write(sha256(contentAt(i, account)), i * MARK_BYTES, MARK_BYTES, 'latin1');
  }
  return { identities, marks, unmarked };
}
