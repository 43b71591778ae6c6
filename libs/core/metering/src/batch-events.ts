import { Fault } from '@core/faults';
import { type Decimal, formatDecimal } from '@core/money';
import { instant } from '@core/time';
import type { BatchNumber, UsageBatch } from './usage-batch.js';
import type { AcceptedEvent, Action, LoggedEvent } from './usage-event.js';

/** What can be packed: events as they are accepted, or as the log tells them. */
type PackableEvent = AcceptedEvent | LoggedEvent;

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
export function packEvents(events: readonly PackableEvent[]): UsageBatch {
  const count = events.length;
  let t0: number = events[0]?.time ?? 0;
  for (const { time } of events) if (time < t0) t0 = time;
  const [sources, types, accounts, resources] = [
    new Dictionary<string>(),
    new Dictionary<string>(),
    new Dictionary<string>(),
    new Dictionary<string>(),
  ];
  const dimensions = new Dictionary<Readonly<Record<string, string>>>();
  const always = { type: [] as number[], account: [] as number[], time: [] as number[] };
  const names = { source: [] as number[], id: [] as string[] };
  const numbers = () => new Column<BatchNumber>(count);
  const [value, level, delta, weight, cost] = [numbers(), numbers(), numbers(), numbers(), numbers()];
  const action = new Column<Action>(count);
  const [resource, labels] = [new Column<number>(count), new Column<number>(count)];
  let untimed: (0 | 1)[] | undefined;
  for (let i = 0; i < count; i += 1) {
    const event = events[i];
    if (!event) continue;
    always.type.push(types.number(event.type, event.type));
    always.account.push(accounts.number(event.subject, event.subject));
    always.time.push(event.time - t0);
    names.source.push(sources.number(event.source, event.source));
    names.id.push(event.id);
    if (event.value !== undefined) value.set(i, shortest(event.value));
    if (event.level !== undefined) level.set(i, shortest(event.level));
    if (event.delta !== undefined) delta.set(i, shortest(event.delta));
    if (event.action !== undefined) action.set(i, event.action);
    if (event.weight !== undefined) weight.set(i, shortest(event.weight));
    if (event.cost !== undefined) cost.set(i, shortest(event.cost));
    if (event.resource !== undefined) resource.set(i, resources.number(event.resource, event.resource));
    const own = event.dimensions;
    if (own && !isEmpty(own)) labels.set(i, dimensions.number(own, JSON.stringify(own)));
    if (!event.timeStated) (untimed ??= new Array<1>(count).fill(1))[i] = 0;
  }
  return {
    t0,
    sources: sources.entries,
    types: types.entries,
    accounts: accounts.entries,
    ...(resources.entries.length > 0 ? { resources: resources.entries } : {}),
    ...(dimensions.entries.length > 0 ? { dimensions: dimensions.entries } : {}),
    columns: {
      ...always,
      ...(value.items && { value: value.items }),
      ...(level.items && { level: level.items }),
      ...(delta.items && { delta: delta.items }),
      ...(action.items && { action: action.items }),
      ...(weight.items && { weight: weight.items }),
      ...(cost.items && { cost: cost.items }),
      ...(resource.items && { resource: resource.items }),
      ...(labels.items && { dimensions: labels.items }),
      ...names,
      ...(untimed && { timeStated: untimed }),
    },
  };
}

/** A column that is there from the first event on that has something to say in it: one that nobody uses is left out. */
class Column<Item> {
  items: (Item | null)[] | undefined;

  constructor(private readonly count: number) {}

  set(i: number, item: Item): void {
    this.items ??= new Array<null>(this.count).fill(null);
    this.items[i] = item;
  }
}

function isEmpty(record: object): boolean {
  for (const _ in record) return false;
  return true;
}

/** An integer that reads back as the same text is kept as a number, which is shorter and quicker to add. */
function shortest(number: Decimal | string): BatchNumber {
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
