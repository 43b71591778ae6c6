import { type Decimal, formatDecimal } from '@core/money';
import { type Instant, instant } from '@core/time';
import {
  type PointRow,
  type Slot,
  type ValueRow,
  byCell,
  byPoint,
  byTouched,
  byValue,
  cellsOf,
} from './contribution-order.js';
import type { CellDelta, ListeningMeter, PointDelta, Touched, ValueDelta } from './contribution-rows.js';
import { Listener, QUARTER_MS, type Segment, latestCut } from './listener.js';
import { NUMBER_OF, TAKES_VALUE, decimalOf, isCellOnly, measures, pointKind } from './measurements.js';
import { versionAt } from './meter.js';
import type { Receipt } from './points.js';
import { seriesOf } from './series.js';
import { Tally } from './tally.js';
import type { BatchColumns, UsageBatch } from './usage-batch.js';

/** The numbers behind a batch's dictionaries, by dictionary index. */
interface BatchRefs {
  /** 0 when unknown: its events contribute nothing. */
  readonly accounts: readonly number[];
  /** The meters that hear each type. */
  readonly meters: readonly (readonly ListeningMeter[])[];
}

interface ContributionOptions {
  /** Ordinals that do not count: rejected, held, duplicates. */
  readonly skip?: ReadonlySet<number>;
  /** -1 takes away what the events contributed. */
  readonly sign?: 1 | -1;
  /** The receipt of each event; (position, ordinal) when absent. A corrected event keeps its first one. */
  readonly receipts?: (ordinal: number) => Receipt;
}

/** Usage sold through the gate. */
interface SoldUsage {
  readonly account: number;
  readonly meter: ListeningMeter;
  readonly time: Instant;
  /** In the unit of the meter's quantities. */
  readonly quantity: Decimal;
  readonly dimensions?: Readonly<Record<string, string>>;
  readonly sign?: 1 | -1;
}

const DAY_MS = 86_400_000;

/** One event on its way into the rows of one meter. */
interface Taken {
  readonly account: number;
  readonly at: number;
  readonly ordinal: number;
  readonly series: number;
  readonly entry: number;
}

/**
 * What entries of the usage log change in the derived rows, gathered for one transaction. Everything is signed and adds up, so
 * that corrections subtract exactly what the event had added and the order of entries changes nothing. An event that lacks what
 * a meter needs contributes nothing to that meter.
 */
export class Contributions {
  /** By meter, start and series, and then by account. */
  readonly #slots = new Map<string, Map<number, Slot>>();
  readonly #values = new Map<string, ValueRow>();
  readonly #points = new Map<string, PointRow>();

  /** Every event counts for each meter that hears its type at its time and whose filters it meets. */
  add(batch: UsageBatch, refs: BatchRefs, position: bigint, options: ContributionOptions = {}): void {
    const { columns, t0, types } = batch;
    const { type, account, time, value, cost, dimensions, action } = columns;
    const sign = options.sign ?? 1;
    const skip = options.skip && options.skip.size > 0 ? options.skip : undefined;
    const receiptOf = options.receipts ?? ((ordinal: number): Receipt => ({ position, ordinal }));
    const listeners = types.map((name, i) =>
      (refs.meters[i] ?? []).map((each) => new Listener<Slot>(each, name, batch)),
    );

    for (let i = 0; i < type.length; i += 1) {
      const number = refs.accounts[account[i] ?? 0] ?? 0;
      if (number === 0 || skip?.has(i)) continue;
      const at = t0 + (time[i] ?? 0);
      const hearing = listeners[type[i] ?? 0];
      if (!hearing) continue;
      const quarter = Math.floor(at / QUARTER_MS);
      const entry = dimensions?.[i] ?? -1;
      for (const listener of hearing) {
        const segment = listener.segmentAt(at);
        if (!segment) continue;
        const series = segment.seriesFor(entry, action?.[i]);
        if (series < 0 || !measures(segment.meter, columns, i)) continue;
        const slots =
          segment.slotsAt(series, quarter) ??
          segment.keepSlots(series, quarter, this.#slotsOf(segment, series, quarter));
        let slot = slots.get(number);
        if (!slot) slots.set(number, (slot = this.#open(segment, series, number, quarter)));
        slot.count += sign;
        if (at < slot.since) slot.since = at;
        if (TAKES_VALUE[segment.meter.aggregation]) slot.sum.add(value?.[i], sign);
        if (cost) slot.cost.add(cost[i], sign);
        if (!isCellOnly(segment.meter)) {
          this.#detail(
            segment,
            columns,
            batch,
            { account: number, at, ordinal: i, series, entry },
            slot,
            receiptOf,
            sign,
          );
        }
      }
    }
  }

  /** Usage sold through the gate is kept apart, by its own cell and series, and is never rated. */
  addSold(sold: SoldUsage): void {
    const { account, meter, time, quantity, dimensions, sign = 1 } = sold;
    const quarter = Math.floor(time / QUARTER_MS) * QUARTER_MS;
    const slot = this.#slot(
      account,
      meter.number,
      Math.max(quarter, latestCut(meter.cuts, time)),
      latestCut(meter.cuts, time),
      seriesOf((versionAt(meter.versions, time) ?? meter.versions[0])?.groupBy ?? [], dimensions),
    );
    slot.sold.addDecimal(sign === 1 ? quantity : { units: -quantity.units, scale: quantity.scale });
  }

  /** Sorted by account, meter, grain, start, series. */
  cells(): CellDelta[] {
    return cellsOf([...this.#all()]).sort(byCell);
  }

  /** Sorted by account, meter, start, series, value. */
  values(): ValueDelta[] {
    return [...this.#values.values()].filter(({ count }) => count !== 0).sort(byValue);
  }

  /** Sorted by account, meter, resource, time, receipt; what is taken away before what is inserted. */
  points(): PointDelta[] {
    return [...this.#points.values()]
      .flatMap(({ net, point }) =>
        Array.from({ length: Math.abs(net) }, (): PointDelta => ({ ...point, sign: net > 0 ? 1 : -1 })),
      )
      .sort(byPoint);
  }

  /** What must be rated again, sorted by account and meter. Usage sold is not. */
  touched(): Touched[] {
    const touched = new Map<string, Touched>();
    for (const { account, meter, since } of this.#all()) {
      const key = `${account} ${meter}`;
      const before = touched.get(key);
      if (since !== Infinity && (!before || since < before.since)) {
        touched.set(key, { account, meter, since: instant(since) });
      }
    }
    return [...touched.values()].sort(byTouched);
  }

  *#all(): Generator<Slot> {
    for (const slots of this.#slots.values()) yield* slots.values();
  }

  #open(segment: Segment<Slot>, series: number, account: number, quarter: number): Slot {
    const { number, cut } = segment;
    return newSlot(account, number, Math.max(quarter * QUARTER_MS, cut), cut, segment.series[series] ?? '');
  }

  #slotsOf({ number, cut, series: names }: Segment<Slot>, series: number, quarter: number): Map<number, Slot> {
    return this.#byAccount(number, Math.max(quarter * QUARTER_MS, cut), names[series] ?? '');
  }

  #byAccount(meter: number, start: number, series: string): Map<number, Slot> {
    const key = `${meter} ${start} ${series}`;
    let slots = this.#slots.get(key);
    if (!slots) this.#slots.set(key, (slots = new Map<number, Slot>()));
    return slots;
  }

  #slot(account: number, meter: number, start: number, cut: number, series: string): Slot {
    const slots = this.#byAccount(meter, start, series);
    let slot = slots.get(account);
    if (!slot) slots.set(account, (slot = newSlot(account, meter, start, cut, series)));
    return slot;
  }

  /** The rows that sums cannot stand for: values one by one, and points in time. */
  #detail(
    segment: Segment<Slot>,
    columns: BatchColumns,
    batch: UsageBatch,
    taken: Taken,
    slot: Slot,
    receiptOf: (ordinal: number) => Receipt,
    sign: 1 | -1,
  ): void {
    const { aggregation } = segment.meter;
    const { ordinal } = taken;
    if (aggregation === 'unique') {
      this.#addValue(slot, segment.property(taken.entry) ?? '', undefined, sign);
      return;
    }
    const kind = pointKind(segment.meter, columns, ordinal);
    if (kind === undefined) {
      const number = decimalOf(columns.value?.[ordinal]);
      if (number) this.#addValue(slot, formatDecimal(number), number, sign);
      return;
    }
    const column = NUMBER_OF[kind];
    const number = column === undefined ? undefined : decimalOf(columns[column]?.[ordinal]);
    // The latest value is that of the series whatever the resource, and runs and levels belong to one.
    const resource = kind === 'value' ? undefined : batch.resources?.[columns.resource?.[ordinal] ?? -1];
    this.#addPoint(
      {
        account: taken.account,
        meter: segment.number,
        resource: resource ?? '',
        time: instant(taken.at),
        receipt: receiptOf(ordinal),
        kind,
        ...(number ? { number } : {}),
        series: slot.series,
      },
      sign,
    );
  }

  #addValue(slot: Slot, value: string, number: Decimal | undefined, sign: 1 | -1): void {
    const { account, meter, start, series } = slot;
    const key = `${account} ${meter} ${start} ${series}\n${value}`;
    const known = this.#values.get(key);
    if (known) known.count += sign;
    else {
      const row = { account, meter, start: instant(start), series, value, count: sign };
      this.#values.set(key, number ? { ...row, number } : row);
    }
  }

  #addPoint(point: Omit<PointDelta, 'sign'>, sign: 1 | -1): void {
    const { account, meter, resource, time, receipt, kind, number, series } = point;
    const text = number ? formatDecimal(number) : '';
    const key = [account, meter, time, receipt.position, receipt.ordinal, kind, text, series, resource].join('\n');
    const known = this.#points.get(key);
    if (known) known.net += sign;
    else this.#points.set(key, { point, net: sign });
  }
}

const newSlot = (account: number, meter: number, start: number, cut: number, series: string): Slot => ({
  account,
  meter,
  start,
  day: Math.max(Math.floor(start / DAY_MS) * DAY_MS, cut),
  series,
  since: Infinity,
  count: 0,
  sum: new Tally(),
  cost: new Tally(),
  sold: new Tally(),
});
