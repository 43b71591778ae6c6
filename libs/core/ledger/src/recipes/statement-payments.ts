import type { Amount } from '@core/money';
import { type Entry, entry } from '../entry.js';
import { legsAtPar } from './at-par.js';
import type { PaidCharge } from './payments.js';
import { invoiced, unapplied } from './places.js';
import { receiveUnapplied } from './unapplied.js';

/** A statement is being paid: its payment is on its way, and nothing of it is applied before it is final. */
export const captureStatementPayment = (paid: PaidCharge): Entry => receiveUnapplied(paid, 'statement paid in a token');

/**
 * The payment is final and pays what it took of the statement; what is over stays received and unapplied. In two legs at par where the
 * statement is in a currency.
 */
export const applyStatementPayment = (applied: {
  readonly provider: string;
  readonly account: string;
  /** `spm_…` */
  readonly statementPayment: string;
  /** Taken of the payment, in its token. */
  readonly taken: Amount;
  /** What that pays of the statement, in its asset. */
  readonly covers: Amount;
}): Entry =>
  entry(
    {
      provider: applied.provider,
      name: `apply:${applied.statementPayment}`,
      reference: applied.statementPayment,
      reason: 'payment applied to its statement',
    },
    legsAtPar(
      'applied',
      { place: unapplied(applied.taken.asset, applied.account), amount: applied.taken },
      { place: invoiced(applied.covers.asset, applied.account), amount: applied.covers },
    ),
  );
