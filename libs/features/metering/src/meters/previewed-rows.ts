import { type Point, type QuantityParts, latestOf, passesFilters } from '@core/metering';
import { type Decimal, ZERO, addDecimals, compareDecimals } from '@core/money';
import type { Period } from '@core/time';
import type { OpenEntry } from '../roll-up/catalogue.js';
import type { DerivedRows } from '../roll-up/derived.store.js';
import type { StoredMeter } from './meter.reader.js';

/** What a draft meter would have of an account. */
export interface PreviewedAccount {
  readonly number: number;
  /** Events that count in the range. */
  readonly events: number;
  readonly count: number;
  readonly sum: Decimal;
  readonly values: Pick<QuantityParts, 'distinct' | 'max' | 'min' | 'latest'>;
  readonly points: readonly Point[];
}

interface Gathered {
  count: number;
  sum: Decimal;
  readonly values: Map<string, { count: number; number: Decimal | undefined }>;
  readonly points: Map<string, Point>;
}

/** Gathers in memory what a draft meter would have in derived rows, and how many events there were to count. */
export class PreviewedRows {
  /** Events of the type in the range. */
  seen = 0;
  /** Those that meet the filters. */
  fitting = 0;
  readonly #accounts = new Map<number, Gathered>();

  constructor(
    private readonly draft: StoredMeter,
    private readonly range: Period,
    private readonly only: number | undefined,
  ) {}

  /** Counts the events of an entry that are in question. */
  look(open: OpenEntry): void {
    const { entry } = open;
    if ('sold' in open) return;
    const skip = new Set(entry.skip);
    const parts =
      'batch' in open ? [{ batch: open.batch, accounts: entry.accounts, sign: 1 }] : skip.size > 0 ? [] : open.parts;
    for (const { batch, accounts, sign } of parts) {
      const heard = batch.types.map((type) => type === this.draft.eventType);
      if (!heard.includes(true)) continue;
      const fits = [undefined, ...(batch.dimensions ?? [])].map((dimensions) => passesFilters(this.draft, dimensions));
      const { columns, t0 } = batch;
      columns.type.forEach((type, i) => {
        const at = t0 + (columns.time[i] ?? 0);
        const account = accounts[columns.account[i] ?? -1] ?? 0;
        if (heard[type] !== true || at < this.range.start || at >= this.range.end || account === 0) return;
        if ((this.only !== undefined && account !== this.only) || ('batch' in open && skip.has(i))) return;
        this.seen += sign;
        if (fits[(columns.dimensions?.[i] ?? -1) + 1] === true) this.fitting += sign;
      });
    }
  }

  add(rows: DerivedRows): void {
    const inside = (time: number) => time >= this.range.start && time < this.range.end;
    for (const { account, grain, start, count, sum } of rows.cells) {
      const own = grain === 15 && inside(start) ? this.#of(account) : undefined;
      if (!own) continue;
      own.count += count;
      own.sum = addDecimals(own.sum, sum);
    }
    for (const { account, start, value, number, count } of rows.values) {
      const values = inside(start) ? this.#of(account)?.values : undefined;
      values?.set(value, { number, count: count + (values.get(value)?.count ?? 0) });
    }
    for (const { account, sign, ...point } of rows.points) {
      const points = this.#of(account)?.points;
      const key = `${point.receipt.position}.${point.receipt.ordinal} ${point.time} ${point.resource}`;
      if (sign === 1) points?.set(key, point);
      else points?.delete(key);
    }
  }

  accounts(): PreviewedAccount[] {
    return [...this.#accounts].map(([number, { count, sum, values, points }]) => {
      const own = [...points.values()];
      const counted = [...values.values()].filter((value) => value.count !== 0);
      const numbers = counted.flatMap((value) => value.number ?? []);
      const furthest = (sign: 1 | -1) =>
        numbers.reduce<Decimal | undefined>(
          (found, each) => (found && compareDecimals(each, found) !== sign ? found : each),
          undefined,
        );
      return {
        number,
        events: count,
        count,
        sum,
        points: own,
        values: {
          distinct: counted.length,
          max: furthest(1),
          min: furthest(-1),
          latest: latestOf(own, this.range, this.draft.carryOver === true),
        },
      };
    });
  }

  #of(account: number): Gathered | undefined {
    if (this.only !== undefined && account !== this.only) return undefined;
    const known = this.#accounts.get(account);
    if (known) return known;
    const fresh: Gathered = { count: 0, sum: ZERO, values: new Map(), points: new Map() };
    this.#accounts.set(account, fresh);
    return fresh;
  }
}
