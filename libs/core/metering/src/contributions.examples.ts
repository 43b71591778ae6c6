import type { Decimal } from '@core/money';
import { packEvents } from './batch-events.js';
import type { ListeningMeter } from './contribution-rows.js';
import { Contributions } from './contributions.js';
import { at } from './meter.examples.js';
import type { Receipt } from './points.js';
import type { LoggedEvent } from './usage-event.js';

// What the tests of contributions compare: entries with corrections, and a model that counts last versions one by one.

export const QUARTER = 900_000;
export const DAY = 86_400_000;
export const t0 = at('2026-11-20T23:00:00Z');

export const ACCOUNTS: Readonly<Record<string, number>> = { a: 1, b: 2, nobody: 0, 'b again': 2 };
export const TYPES = ['x', 'y', 'unheard'];

const batchRefs = (
  batch: { accounts: readonly string[]; types: readonly string[] },
  meters: readonly ListeningMeter[],
) => ({
  accounts: batch.accounts.map((name) => ACCOUNTS[name] ?? 0),
  meters: batch.types.map((type) => meters.filter(({ versions }) => versions.some((each) => each.eventType === type))),
});

export interface Entry {
  readonly event: LoggedEvent;
  readonly sign: 1 | -1;
  readonly receipt: Receipt;
}

export const entriesOf = (stories: readonly { event: LoggedEvent; fate: 'kept' | 'voided' | LoggedEvent }[]): Entry[] =>
  stories.flatMap(({ event: sent, fate }, i) => {
    const receipt = { position: BigInt(Math.floor(i / 3)), ordinal: i % 3 };
    const first: Entry = { event: sent, sign: 1, receipt };
    if (fate === 'kept') return [first];
    const voided: Entry = { event: sent, sign: -1, receipt };
    return fate === 'voided' ? [first, voided] : [first, voided, { event: fate, sign: 1, receipt }];
  });

/** What is left when every correction is made. */
export const lastVersions = (stories: readonly { event: LoggedEvent; fate: 'kept' | 'voided' | LoggedEvent }[]) =>
  stories.flatMap(({ event: sent, fate }, i) => {
    const receipt = { position: BigInt(Math.floor(i / 3)), ordinal: i % 3 };
    return fate === 'voided' ? [] : [{ event: fate === 'kept' ? sent : fate, receipt }];
  });

/** The rows of entries in the order given, those next to each other with one sign as one batch. */
export function rowsOf(entries: readonly Entry[], listeners: readonly ListeningMeter[]) {
  const contributions = new Contributions();
  for (let i = 0; i < entries.length;) {
    let end = i;
    while (end < entries.length && entries[end]?.sign === entries[i]?.sign) end += 1;
    const run = entries.slice(i, end);
    const batch = packEvents(run.map((entry) => entry.event));
    contributions.add(batch, batchRefs(batch, listeners), 999n, {
      sign: run[0]?.sign ?? 1,
      receipts: (ordinal) => run[ordinal]?.receipt ?? { position: -1n, ordinal: -1 },
    });
    i = end;
  }
  return { cells: contributions.cells(), values: contributions.values(), points: contributions.points() };
}

/** An event that counts for a meter. */
export interface Counted {
  readonly account: number;
  readonly meter: number;
  readonly event: LoggedEvent;
  readonly receipt: Receipt;
}

// ---- the model: every event by itself, in thousandths, from the definition

const inThousandths = (number: string | undefined): bigint | undefined => {
  if (number === undefined || !/^-?\d/.test(number)) return undefined;
  const [whole = '0', part = ''] = number.split('.');
  return BigInt(`${whole}${part.padEnd(3, '0')}`);
};

export function model(
  events: readonly { event: LoggedEvent; receipt: Receipt }[],
  listeners: readonly ListeningMeter[],
) {
  const cells = new Map<string, { count: number; sum: bigint; cost: bigint }>();
  const values = new Map<string, number>();
  const points: string[] = [];
  const counted: Counted[] = [];
  for (const { event: sent, receipt } of events) {
    const account = ACCOUNTS[sent.subject] ?? 0;
    for (const { number, versions, cuts } of account === 0 ? [] : listeners) {
      const inForce = versions.filter(({ effectiveAt }) => effectiveAt <= sent.time).at(-1);
      if (inForce?.eventType !== sent.type) continue;
      const has = (name: string) => sent.dimensions?.[name];
      const passes = inForce.filters.every(({ dimension, in: only, notIn, exists }) => {
        const value = has(dimension);
        if (inForce.aggregation === 'duration' && sent.action !== 'start' && value === undefined) return true;
        if (exists !== undefined) return exists === (value !== undefined);
        return only ? value !== undefined && only.includes(value) : !(notIn ?? []).some((not) => not === value);
      });
      const value = inThousandths(sent.value);
      const { aggregation } = inForce;
      const usesValue = ['sum', 'max', 'min', 'average', 'latest'].includes(aggregation);
      const lacks =
        (usesValue && value === undefined) ||
        (aggregation === 'unique' && has('user') === undefined) ||
        (aggregation === 'level' && sent.level === undefined && sent.delta === undefined) ||
        (aggregation === 'duration' && (!sent.action || (sent.action === 'resize' && !sent.weight)));
      if (!passes || lacks) continue;
      counted.push({ account, meter: number, event: sent, receipt });
      const series =
        inForce.groupBy.length === 0 ? '' : JSON.stringify(inForce.groupBy.map((name) => has(name) ?? null));
      const cut = cuts.filter((each) => each <= sent.time).at(-1) ?? 0;
      const start = (length: number) => Math.max(sent.time - (sent.time % length), cut);
      for (const [grain, length] of [
        [15, QUARTER],
        [1440, DAY],
      ] as const) {
        const key = [account, number, grain, start(length), series].join(' ');
        const cell = cells.get(key) ?? { count: 0, sum: 0n, cost: 0n };
        cells.set(key, {
          count: cell.count + 1,
          sum: cell.sum + (usesValue ? (value ?? 0n) : 0n),
          cost: cell.cost + (inThousandths(sent.cost) ?? 0n),
        });
      }
      const one = aggregation === 'unique' ? has('user') : value?.toString();
      if (['unique', 'max', 'min'].includes(aggregation) || inForce.itemized) {
        const key = [account, number, start(QUARTER), series, one].join(' ');
        values.set(key, (values.get(key) ?? 0) + 1);
      }
      const kind =
        aggregation === 'level'
          ? sent.level === undefined
            ? 'delta'
            : 'level'
          : aggregation === 'latest'
            ? 'value'
            : sent.action;
      if (!['level', 'latest', 'duration'].includes(aggregation) || !kind) continue;
      const figure = {
        level: sent.level,
        delta: sent.delta,
        value: sent.value,
        start: sent.weight,
        resize: sent.weight,
        stop: undefined,
        heartbeat: undefined,
      }[kind];
      const resource = kind === 'value' ? '' : (sent.resource ?? '');
      points.push(
        [
          account,
          number,
          resource,
          sent.time,
          receipt.position,
          receipt.ordinal,
          kind,
          inThousandths(figure) ?? '',
          series,
        ].join(' '),
      );
    }
  }
  return { rows: { cells, values, points: points.sort() }, counted };
}

const asThousandths = ({ units, scale }: Decimal): bigint => units * 10n ** BigInt(3 - scale);

export const asModel = ({ cells, values, points }: ReturnType<typeof rowsOf>): ReturnType<typeof model>['rows'] => ({
  cells: new Map(
    cells.map((cell) => [
      [cell.account, cell.meter, cell.grain, cell.start, cell.series].join(' '),
      { count: cell.count, sum: asThousandths(cell.sum), cost: asThousandths(cell.cost) },
    ]),
  ),
  values: new Map(
    values.map((row) => [
      [row.account, row.meter, row.start, row.series, row.number ? asThousandths(row.number) : row.value].join(' '),
      row.count,
    ]),
  ),
  points: points
    .map((row) => {
      const { account, meter, resource, time, receipt, kind, number, series } = row;
      return [
        account,
        meter,
        resource,
        time,
        receipt.position,
        receipt.ordinal,
        kind,
        number ? asThousandths(number) : '',
        series,
      ].join(' ');
    })
    .sort(),
});
