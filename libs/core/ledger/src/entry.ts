import { Fault } from '@core/faults';
import type { Amount } from '@core/money';
import type { Place } from './chart.js';

/**
 * One movement of value: the same amount of the same asset debited to one place and credited to another. An unbalanced
 * transfer cannot be written down.
 */
export interface Transfer {
  readonly provider: string;
  /** Groups the transfers of one business event. */
  readonly entry: string;
  /** Unique per provider: one outside fact posts at most once. */
  readonly key: string;
  readonly debit: Place;
  readonly credit: Place;
  readonly amount: Amount;
  readonly reason: string;
  /** What it is about: a payment, a charge, a batch. */
  readonly reference: string;
}

/** The transfers of one business event; empty when nothing of value moved. */
export type Entry = readonly Transfer[];

export interface Leg {
  /** Sets the transfer apart within its entry, e.g. `charge`. */
  readonly leg: string;
  readonly debit: Place;
  readonly credit: Place;
  readonly amount: Amount;
}

/**
 * Builds the entry of one business event. Legs of zero are left out.
 * @throws Fault invariant_broken for a negative amount, for two assets in one leg, or for a leg from a place to itself.
 */
export function entry(
  event: { provider: string; name: string; reference: string; reason: string },
  legs: readonly Leg[],
): Entry {
  return legs
    .filter(({ amount }) => amount.atomic !== 0n)
    .map(({ leg, debit, credit, amount }) => {
      if (amount.atomic < 0n) throw new Fault('invariant_broken', `leg ${leg} of ${event.name} is negative`);
      if (debit.asset !== amount.asset || credit.asset !== amount.asset) {
        throw new Fault(
          'invariant_broken',
          `leg ${leg} of ${event.name} moves ${amount.asset} between places of another asset`,
        );
      }
      if (samePlace(debit, credit))
        throw new Fault('invariant_broken', `leg ${leg} of ${event.name} debits and credits one place`);
      return {
        provider: event.provider,
        entry: event.name,
        key: `${event.name}:${leg}`,
        debit,
        credit,
        amount,
        reason: event.reason,
        reference: event.reference,
      };
    });
}

/** The entry that undoes another: sides exchanged, keys and reason saying so. */
export const reverse = (original: Entry): Entry =>
  original.map((transfer) => ({
    ...transfer,
    entry: `reverse:${transfer.entry}`,
    key: `reverse:${transfer.key}`,
    debit: transfer.credit,
    credit: transfer.debit,
    reason: `reversal of ${transfer.reason}`,
  }));

const samePlace = (a: Place, b: Place): boolean =>
  a.code === b.code && a.asset === b.asset && a.account === b.account && (a.detail ?? '') === (b.detail ?? '');
