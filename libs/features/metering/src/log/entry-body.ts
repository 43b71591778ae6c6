import type { Receipt, UsageBatch } from '@core/metering';
import { type Decimal } from '@core/money';
import { exact } from '@platform/database';
import { type Instant, instant } from '@core/time';

/** A part of a change: a batch that is added to what counts, or taken away from it. */
export interface ChangePart {
  readonly sign: 1 | -1;
  readonly batch: UsageBatch;
  /** Numbers of the accounts in the batch's dictionary. */
  readonly accounts: readonly number[];
  /** The receipt each event counts under. */
  readonly receipts: (row: number) => Receipt;
  /** Ordinal of its first event among those the entry adds. */
  readonly first: number;
}

interface WrittenPart {
  readonly sign: 1 | -1;
  readonly batch: UsageBatch;
  readonly accounts: readonly number[];
  readonly receipts?: readonly (readonly [string, number])[];
}

interface WrittenChange {
  readonly parts: readonly WrittenPart[];
  /** Said by what somebody looked at and let through. No ceiling applies to corrections, whether they say it or not. */
  readonly unlimited?: boolean;
}

/** The parts of a change entry. Events it adds without a receipt of their own are received by it, in order. */
export function changeParts(entry: { readonly body: string; readonly position: bigint }): ChangePart[] {
  const { parts } = JSON.parse(entry.body) as WrittenChange;
  let first = 0;
  return parts.map(({ sign, batch, accounts, receipts }): ChangePart => {
    const start = first;
    if (sign === 1) first += batch.columns.type.length;
    return {
      sign,
      batch,
      accounts,
      first: start,
      receipts: (row) => {
        const own = receipts?.[row];
        return own ? { position: BigInt(own[0]), ordinal: own[1] } : { position: entry.position, ordinal: start + row };
      },
    };
  });
}

/** Usage sold through the gate. */
export interface SoldItem {
  readonly account: number;
  readonly meter: number;
  readonly time: Instant;
  /** In the unit of the meter's quantities. */
  readonly quantity: Decimal;
  /** `pay_…` */
  readonly payment: string;
}

/** [account number, meter number, time in ms, quantity, payment] of each. */
interface WrittenSale {
  readonly items: readonly (readonly [number, number, number, string, string])[];
}

export function readSold(entry: { readonly body: string }): SoldItem[] {
  const { items } = JSON.parse(entry.body) as WrittenSale;
  return items.map(([account, meter, time, quantity, payment]) => ({
    account,
    meter,
    time: instant(time),
    quantity: exact(quantity),
    payment,
  }));
}
