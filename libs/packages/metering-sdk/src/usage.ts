import type { UsageAction, UsageData, UsageEvent } from './contract.js';
import { InvalidRecordError } from './errors.js';
import { exactQuantity, type Quantity } from './quantity.js';

/** One use of a meter. */
export interface UsageRecord {
  /** Name of the meter. */
  readonly meter: string;
  /** The account charged: `acct_…`, or your own name for it. */
  readonly account: string;
  /** How much, for meters of values. */
  readonly value?: Quantity;
  /** What this use costs, for prices carried on the event. */
  readonly cost?: Quantity;
  /** When it took place; now, when absent. */
  readonly time?: Date | string;
  /** Your own id of this use, where you have one; then recording it again, from anywhere, counts once. */
  readonly id?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
}

type WithResource = Omit<UsageRecord, 'value' | 'cost'> & {
  /** Which thing is meant, e.g. a bucket. */
  readonly resource: string;
};

/** How much of something there is from now on, for meters of levels such as bytes stored. */
export interface LevelRecord extends WithResource {
  /** Absolute, not a difference. */
  readonly level: Quantity;
}

/** By how much a level changes, where the absolute level is not at hand. */
export interface DeltaRecord extends WithResource {
  /** May be negative. */
  readonly delta: Quantity;
}

/** What `stop` and `heartbeat` may add. */
export type ActionOptions = Pick<UsageRecord, 'time' | 'id' | 'dimensions'>;

/** What `start` and `resize` may add. */
export interface WeightOptions extends ActionOptions {
  /** What a second counts from now on, e.g. the number of processors; 1 when absent. */
  readonly weight?: Quantity;
}

/** What was recorded, before a door gives it an identity. */
export interface Usage {
  /** The caller's own. */
  readonly id?: string;
  readonly meter: string;
  readonly account: string;
  /** Milliseconds since 1970, or the caller's own text where it says something else. */
  readonly time: number | string;
  readonly data: UsageData;
}

export function valueUsage(record: UsageRecord, now: () => number): Usage {
  return usageOf(record, now, { ...optional('value', record.value), ...optional('cost', record.cost) });
}

export function levelUsage(record: LevelRecord, now: () => number): Usage {
  const resource = filled('resource', record.resource);
  return usageOf(record, now, { resource, level: exactQuantity('level', record.level) });
}

export function deltaUsage(record: DeltaRecord, now: () => number): Usage {
  const resource = filled('resource', record.resource);
  return usageOf(record, now, { resource, delta: exactQuantity('delta', record.delta) });
}

export function actionUsage(
  action: UsageAction,
  subject: Pick<WithResource, 'meter' | 'account' | 'resource'>,
  options: WeightOptions,
  now: () => number,
): Usage {
  const resource = filled('resource', subject.resource);
  return usageOf({ ...options, ...subject }, now, { resource, action, ...optional('weight', options.weight) });
}

/** The usage as an event with an identity. */
export function eventOf(usage: Usage, id: string, source: string): UsageEvent {
  const { meter, account, time, data } = usage;
  return {
    specversion: '1.0',
    id,
    source,
    type: meter,
    subject: account,
    time: typeof time === 'number' ? new Date(time).toISOString() : time,
    ...(Object.keys(data).length > 0 && { datacontenttype: 'application/json', data }),
  };
}

function usageOf(record: Omit<UsageRecord, 'value' | 'cost'>, now: () => number, data: UsageData): Usage {
  const { dimensions } = record;
  return {
    ...(record.id !== undefined && { id: filled('id', record.id) }),
    meter: filled('meter', record.meter),
    account: filled('account', record.account),
    time: record.time === undefined ? Math.floor(now()) : timeOf(record.time),
    data: dimensions === undefined ? data : { ...data, dimensions: { ...dimensions } },
  };
}

function timeOf(time: Date | string): number | string {
  if (typeof time === 'string') return millisecondsOf(filled('time', time)) ?? time;
  const milliseconds = time.getTime();
  if (Number.isNaN(milliseconds)) throw new InvalidRecordError('time is not a date.');
  return milliseconds;
}

const DATE_TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,3})?(?:Z|([+-])(\d\d):(\d\d))$/;

/** What an RFC 3339 date-time says in whole milliseconds; undefined when it says more, or nothing. */
export function millisecondsOf(text: string): number | undefined {
  const [, wall, sign, hours, minutes] = DATE_TIME.exec(text) ?? [];
  const milliseconds = Date.parse(text);
  if (wall === undefined || Number.isNaN(milliseconds)) return undefined;
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === '-' ? -60_000 : 60_000);
  // A date that is none, such as 30 February, is read as another one: what is read back must be what was written.
  return new Date(milliseconds + offset).toISOString().startsWith(wall) ? milliseconds : undefined;
}

const optional = (name: 'value' | 'cost' | 'weight', quantity: Quantity | undefined): UsageData =>
  quantity === undefined ? {} : { [name]: exactQuantity(name, quantity) };

function filled(name: string, value: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new InvalidRecordError(`${name} is missing.`);
}
