import type { Amount } from '@core/money';
import { type Entry, entry } from '../entry.js';
import { badDebt, inTransit, receivable, revenue, wallet } from './places.js';

export interface PaidCharge {
  readonly provider: string;
  readonly account: string;
  /** `pay_…` */
  readonly payment: string;
  readonly charged: Amount;
}

/** A paid request was served: the account owes its price and has paid it by an authorization now on its way. */
export const capturePayment = (paid: PaidCharge & { readonly meter: string }): Entry =>
  entry(
    { provider: paid.provider, name: `capture:${paid.payment}`, reference: paid.payment, reason: 'request served' },
    [
      {
        leg: 'charge',
        debit: receivable(paid.charged.asset, paid.account),
        credit: revenue(paid.charged.asset, paid.meter),
        amount: paid.charged,
      },
      {
        leg: 'payment',
        debit: inTransit(paid.charged.asset),
        credit: receivable(paid.charged.asset, paid.account),
        amount: paid.charged,
      },
    ],
  );

/** The transfer was seen in a final block: what was in transit is in the payee's wallet. */
export const settlePayment = (paid: PaidCharge & { readonly payTo: string }): Entry =>
  entry({ provider: paid.provider, name: `settle:${paid.payment}`, reference: paid.payment, reason: 'payment final' }, [
    {
      leg: 'receipt',
      debit: wallet(paid.charged.asset, paid.payTo),
      credit: inTransit(paid.charged.asset),
      amount: paid.charged,
    },
  ]);

/** The payment is proven not to have happened: the account owes again, and the debt is written off. */
export const failPayment = (paid: PaidCharge): Entry =>
  entry(
    { provider: paid.provider, name: `fail:${paid.payment}`, reference: paid.payment, reason: 'payment proven failed' },
    [
      {
        leg: 'return',
        debit: receivable(paid.charged.asset, paid.account),
        credit: inTransit(paid.charged.asset),
        amount: paid.charged,
      },
      {
        leg: 'loss',
        debit: badDebt(paid.charged.asset),
        credit: receivable(paid.charged.asset, paid.account),
        amount: paid.charged,
      },
    ],
  );

/** Money of a failed payment arrived after all: the loss is taken back. */
export const recoverPayment = (paid: PaidCharge & { readonly payTo: string }): Entry =>
  entry(
    {
      provider: paid.provider,
      name: `recover:${paid.payment}`,
      reference: paid.payment,
      reason: 'failed payment arrived',
    },
    [
      {
        leg: 'receipt',
        debit: wallet(paid.charged.asset, paid.payTo),
        credit: badDebt(paid.charged.asset),
        amount: paid.charged,
      },
    ],
  );

/** A provider's share of what one transfer of ours cost in gas, in the chain's native asset. */
export const gasCost = (cost: {
  provider: string;
  /** Id of the chain transaction. */
  transaction: string;
  relayer: string;
  share: Amount;
}): Entry =>
  entry(
    {
      provider: cost.provider,
      name: `gas:${cost.transaction}`,
      reference: cost.transaction,
      reason: 'gas of a settlement',
    },
    [
      {
        leg: 'gas',
        debit: { code: '5020', asset: cost.share.asset },
        credit: { code: '1021', asset: cost.share.asset, detail: cost.relayer },
        amount: cost.share,
      },
    ],
  );
