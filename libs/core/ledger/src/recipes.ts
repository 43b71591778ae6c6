import { type Amount, type AssetId, amount, subtractAmounts } from '@core/money';
import { type Entry, entry } from './entry.js';
import type { Place } from './chart.js';

const receivable = (asset: AssetId, account: string): Place => ({ code: '1110', asset, account });
const revenue = (asset: AssetId, meter: string): Place => ({ code: '4010', asset, detail: meter });
const inTransit = (asset: AssetId): Place => ({ code: '1025', asset });
const wallet = (asset: AssetId, address: string): Place => ({ code: '1020', asset, detail: address });
const badDebt = (asset: AssetId): Place => ({ code: '5030', asset });

/** A metered charge was set to a new total: the account owes the difference, or is owed it back. */
export function accrueUsage(charge: {
  provider: string;
  account: string;
  /** `chg_…` */
  charge: string;
  /** How often the charge was set, this time included. */
  revision: number;
  meter: string;
  before: Amount;
  after: Amount;
}): Entry {
  const difference = subtractAmounts(charge.after, charge.before);
  const owed = receivable(difference.asset, charge.account);
  const earned = revenue(difference.asset, charge.meter);
  const name = `accrue:${charge.charge}:${charge.revision}`;
  const event = { provider: charge.provider, name, reference: charge.charge, reason: 'usage rated' };
  return difference.atomic >= 0n
    ? entry(event, [{ leg: 'usage', debit: owed, credit: earned, amount: difference }])
    : entry(event, [
        { leg: 'usage', debit: earned, credit: owed, amount: amount(difference.asset, -difference.atomic) },
      ]);
}

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
