import type { Amount } from '@core/money';
import { type Entry, entry } from '../entry.js';
import { invoiced, receivable } from './places.js';

/** A statement was issued: what the account owes for its period is no longer accrued but invoiced. It owes what it owed before. */
export const billStatement = (billed: {
  readonly provider: string;
  readonly account: string;
  /** `stm_…` */
  readonly statement: string;
  readonly due: Amount;
}): Entry =>
  entry(
    {
      provider: billed.provider,
      name: `bill:${billed.statement}`,
      reference: billed.statement,
      reason: 'statement issued',
    },
    [
      {
        leg: 'due',
        debit: invoiced(billed.due.asset, billed.account),
        credit: receivable(billed.due.asset, billed.account),
        amount: billed.due,
      },
    ],
  );
