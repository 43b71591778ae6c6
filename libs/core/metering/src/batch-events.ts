import { Fault } from '@core/faults';
import { type Decimal, formatDecimal } from '@core/money';
import { instant } from '@core/time';
import type { BatchColumns, BatchNumber, UsageBatch } from './usage-batch.js';
import type { AcceptedEvent, LoggedEvent } from './usage-event.js';

/** What can be packed: events as they are accepted, or as the log tells them. */
export type AcceptedOrSentEvent = AcceptedEvent | LoggedEvent;

/** Numbers the entries of a dictionary in the order in which they first occur. */
class Dictionary<Entry> {
  readonly entries: Entry[] = [];
  readonly #numbers = new Map<string, number>();

  number(entry: Entry, key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.entries.push(entry) - 1;
    this.#numbers.set(key, number);
    return number;
  }
}

/** The events of the open door in columns, each with its own source and id. `eventAt` gives them back. */
export function packEvents(events: readonly AcceptedOrSentEvent[]): UsageBatch {
  const t0 = events.reduce((first, { time }) => Math.min(first, time), events[0]?.time ?? 0);
  const [sources, types, accounts, resources] = [
    new Dictionary<string>(),
    new Dictionary<string>(),
    new Dictionary<string>(),
    new Dictionary<string>(),
  ];
  const dimensions = new Dictionary<Readonly<Record<string, string>>>();
  const numbers = (field: 'value' | 'level' | 'delta' | 'weight' | 'cost') =>
    column(
      field,
      events.map((event) => shortest(event[field])),
    );
  const columns: BatchColumns = {
    type: events.map(({ type }) => types.number(type, type)),
    account: events.map(({ subject }) => accounts.number(subject, subject)),
    time: events.map(({ time }) => time - t0),
    ...numbers('value'),
    ...numbers('level'),
    ...numbers('delta'),
    ...column(
      'action',
      events.map(({ action }) => action ?? null),
    ),
    ...numbers('weight'),
    ...numbers('cost'),
    ...column(
      'resource',
      events.map(({ resource }) => (resource === undefined ? null : resources.number(resource, resource))),
    ),
    ...column(
      'dimensions',
      events.map(({ dimensions: own }) =>
        own && Object.keys(own).length > 0 ? dimensions.number(own, JSON.stringify(own)) : null,
      ),
    ),
    source: events.map(({ source }) => sources.number(source, source)),
    id: events.map(({ id }) => id),
    ...(events.every(({ timeStated }) => timeStated)
      ? {}
      : { timeStated: events.map(({ timeStated }): 0 | 1 => (timeStated ? 1 : 0)) }),
  };
  return {
    t0,
    sources: sources.entries,
    types: types.entries,
    accounts: accounts.entries,
    ...(resources.entries.length > 0 ? { resources: resources.entries } : {}),
    ...(dimensions.entries.length > 0 ? { dimensions: dimensions.entries } : {}),
    columns,
  };
}

/** A column nobody uses is left out. */
function column<Name extends keyof BatchColumns, Item>(
  name: Name,
  items: readonly (Item | null)[],
): { [name in Name]?: readonly (Item | null)[] } {
  return items.every((item) => item === null)
    ? {}
    : ({ [name]: items } as { [name in Name]: readonly (Item | null)[] });
}

/** An integer that reads back as the same text is kept as a number, which is shorter and quicker to add. */
function shortest(number: Decimal | string | undefined): BatchNumber {
  if (number === undefined) return null;
  const text = typeof number === 'string' ? number : formatDecimal(number);
  const integer = text.length <= 16 ? Number(text) : Number.NaN;
  return Number.isSafeInteger(integer) && String(integer) === text ? integer : text;
}

/**
 * One event of a batch.
 * @throws Fault invariant_broken when the batch has no event of this ordinal
 */
export function eventAt(batch: UsageBatch, ordinal: number): LoggedEvent {
  const { columns } = batch;
  const time = columns.time[ordinal];
  if (time === undefined) throw new Fault('invariant_broken', `The batch has no event ${ordinal}`);
  const action = columns.action?.[ordinal];
  const resource = batch.resources?.[columns.resource?.[ordinal] ?? -1];
  const dimensions = batch.dimensions?.[columns.dimensions?.[ordinal] ?? -1];
  return {
    source: columns.source ? (batch.sources?.[columns.source[ordinal] ?? -1] ?? '') : (batch.source ?? ''),
    id: columns.id?.[ordinal] ?? `${batch.stream}.${batch.seq}.${ordinal}`,
    type: batch.types[columns.type[ordinal] ?? -1] ?? '',
    subject: batch.accounts[columns.account[ordinal] ?? -1] ?? '',
    time: instant(batch.t0 + time),
    timeStated: columns.timeStated?.[ordinal] !== 0,
    ...text('value', columns.value?.[ordinal]),
    ...text('level', columns.level?.[ordinal]),
    ...text('delta', columns.delta?.[ordinal]),
    ...(action ? { action } : {}),
    ...text('weight', columns.weight?.[ordinal]),
    ...text('cost', columns.cost?.[ordinal]),
    ...(resource === undefined ? {} : { resource }),
    ...(dimensions === undefined ? {} : { dimensions }),
  };
}

const text = <Name extends string>(name: Name, number: BatchNumber | undefined): { [name in Name]?: string } =>
  number === undefined || number === null ? {} : ({ [name]: String(number) } as { [name in Name]: string });
