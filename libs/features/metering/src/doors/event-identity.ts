import { hash } from 'node:crypto';
import { type EventContent, type LoggedEvent, type UsageBatch, contentMarks, packEvents } from '@core/metering';
import { type Decimal, parseDecimal } from '@core/money';
import { ID_BYTES, ID_WORDS, MARK_WORD, ORDINAL_WORD, RECORD_WORDS, wordsOf } from './identity-record.js';

/** Of a whole SHA-256. */
const DIGEST_WORDS = 8;

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

// SHA-256 comes as a text of one byte a character: those of a batch are written out together, without a buffer for each.
const sha256 = (text: string): string => hash('sha256', text, 'binary');

/** The first 16 bytes of SHA-256 of (provider, source, id). Names are printable, so a line feed cannot be part of one. */
export const eventIdentity = (provider: string, source: string, id: string): Buffer =>
  Buffer.from(sha256(`${provider}\n${source}\n${id}`).slice(0, ID_BYTES), 'latin1');

/**
 * Who the events of a batch are and what they say, as records by ordinal. `accounts`: the numbers of those in its dictionary;
 * there is no mark while an account is unknown, as what the event says is not settled until then.
 */
export function identityRecords(provider: string, batch: UsageBatch, accounts: readonly number[]): Uint32Array {
  const { columns } = batch;
  const count = columns.type.length;
  const records = new Uint32Array(count * RECORD_WORDS);
  const digests: string[] = [];
  const mark = contentMarks(batch);
  const beginning = (source: string): string => `${provider}\n${source}\n`;
  const [only, beginnings] = [beginning(batch.source ?? ''), batch.sources?.map(beginning)];
  for (let i = 0; i < count; i += 1) {
    const of = columns.source ? (beginnings?.[columns.source[i] ?? -1] ?? beginning('')) : only;
    const id = columns.id?.[i] ?? `${batch.stream}.${batch.seq}.${i}`;
    digests.push(sha256(of + id));
    const account = accounts[columns.account[i] ?? -1] ?? 0;
    if (account !== 0) mark(i, account, records, i * RECORD_WORDS + MARK_WORD);
    records[i * RECORD_WORDS + ORDINAL_WORD] = i;
  }
  const words = wordsOf(Buffer.from(digests.join(''), 'latin1'));
  for (let i = 0; i < count; i += 1) {
    for (let word = 0; word < ID_WORDS; word += 1)
      records[i * RECORD_WORDS + word] = words[i * DIGEST_WORDS + word] ?? 0;
  }
  return records;
}

/** The record of one event under an ordinal. */
export function identityRecord(provider: string, event: LoggedEvent, account: number, ordinal: number): Uint32Array {
  const record = identityRecords(provider, packEvents([event]), [account]);
  record[ORDINAL_WORD] = ordinal;
  return record;
}
