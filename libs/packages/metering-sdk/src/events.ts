import type { UsageData, UsageEvent } from './contract.js';
import { InvalidRecordError } from './errors.js';
import { exactQuantity, type Quantity } from './quantity.js';
import type { QueuedEvent } from './queue.js';

/** One use of a meter. */
export interface UsageRecord {
  /** Name of the meter. */
  readonly meter: string;
  /** The account charged: `acct_…`, or your own name for it. */
  readonly account: string;
  /** How much, for meters that sum. */
  readonly value?: Quantity;
  /** When it took place; now, when absent. */
  readonly time?: Date | string;
  /** Your own id of this use, where you have one; then recording it again, from anywhere, counts once. */
  readonly id?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
}

/** How much of something there is from now on, for meters of levels such as bytes stored. */
export interface LevelRecord extends Omit<UsageRecord, 'value'> {
  /** Which thing has the level, e.g. a bucket. */
  readonly resource: string;
  /** Absolute, not a difference. */
  readonly level: Quantity;
}

export interface EventOrigin {
  readonly source: string;
  readonly newId: () => string;
  readonly now: () => number;
}

export function usageEvent(record: UsageRecord, origin: EventOrigin): UsageEvent {
  const value = record.value === undefined ? {} : { value: exactQuantity('value', record.value) };
  return eventOf(record, origin, { ...value, ...dimensionsOf(record) });
}

export function levelEvent(record: LevelRecord, origin: EventOrigin): UsageEvent {
  const level = exactQuantity('level', record.level);
  return eventOf(record, origin, { resource: filled('resource', record.resource), level, ...dimensionsOf(record) });
}

/** The event with its bytes. @throws InvalidRecordError when no batch could hold it. */
export function queuedEvent(event: UsageEvent, at: number, maxBytes: number): QueuedEvent {
  const json = JSON.stringify(event);
  const bytes = new TextEncoder().encode(json).byteLength;
  if (bytes + 2 > maxBytes) throw new InvalidRecordError(`The event has ${bytes} bytes; a batch holds ${maxBytes}.`);
  return { event, json, bytes, at };
}

function eventOf(record: Omit<UsageRecord, 'value'>, { source, newId, now }: EventOrigin, data: UsageData): UsageEvent {
  return {
    specversion: '1.0',
    id: record.id === undefined ? newId() : filled('id', record.id),
    source,
    type: filled('meter', record.meter),
    subject: filled('account', record.account),
    time: timeOf(record.time ?? new Date(now())),
    ...(Object.keys(data).length > 0 && { datacontenttype: 'application/json', data }),
  };
}

function timeOf(time: Date | string): string {
  if (typeof time === 'string') return filled('time', time);
  if (Number.isNaN(time.getTime())) throw new InvalidRecordError('time is not a date.');
  return time.toISOString();
}

function dimensionsOf({ dimensions }: { dimensions?: UsageData['dimensions'] }): Pick<UsageData, 'dimensions'> {
  return dimensions === undefined ? {} : { dimensions: { ...dimensions } };
}

function filled(name: string, value: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new InvalidRecordError(`${name} is missing.`);
}
