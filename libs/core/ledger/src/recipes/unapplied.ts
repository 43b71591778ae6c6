import { type Entry, entry } from '../entry.js';
import type { PaidCharge } from './payments.js';
import { inTransit, unapplied } from './places.js';

/** A payment for something of ours is on its way, and nothing is given for it yet. */
export const receiveUnapplied = (paid: PaidCharge, reason: string): Entry =>
  entry({ provider: paid.provider, name: `capture:${paid.payment}`, reference: paid.payment, reason }, [
    {
      leg: 'payment',
      debit: inTransit(paid.charged.asset),
      credit: unapplied(paid.charged.asset, paid.account),
      amount: paid.charged,
    },
  ]);

/** The payment is proven not to have happened: there is no receipt, and as nothing was given for it, no loss either. */
export const failUnapplied = (paid: PaidCharge): Entry =>
  entry(
    { provider: paid.provider, name: `fail:${paid.payment}`, reference: paid.payment, reason: 'payment proven failed' },
    [
      {
        leg: 'return',
        debit: unapplied(paid.charged.asset, paid.account),
        credit: inTransit(paid.charged.asset),
        amount: paid.charged,
      },
    ],
  );
