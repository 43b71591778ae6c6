import type { Amount } from '@core/money';
import type { Place } from '../chart.js';
import type { Leg } from '../entry.js';
import { exchange } from './places.js';

/**
 * Value that left one place and came to another at par. Of one asset that is one movement; a token and a currency are separate books,
 * each balanced by itself through 5060.
 */
export function legsAtPar(
  leg: string,
  debit: { readonly place: Place; readonly amount: Amount },
  credit: { readonly place: Place; readonly amount: Amount },
): Leg[] {
  const [to, from] = [debit.amount, credit.amount];
  if (to.asset === from.asset) return [{ leg, debit: debit.place, credit: credit.place, amount: to }];
  return [
    { leg, debit: debit.place, credit: exchange(to.asset), amount: to },
    { leg: `${leg}-exchanged`, debit: exchange(from.asset), credit: credit.place, amount: from },
  ];
}
