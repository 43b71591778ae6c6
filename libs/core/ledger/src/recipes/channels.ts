import type { Amount } from '@core/money';
import type { Place } from '../chart.js';
import { type Entry, entry } from '../entry.js';
import type { PaidCharge } from './payments.js';
import { badDebt, receivable, revenue, wallet } from './places.js';

/** What vouchers promise us, until it is claimed. One place for all channels: what each owes is in its row and on the chain. */
const vouchers = (asset: Amount['asset']): Place => ({ code: '1026', asset });

/** A request paid by a voucher was served: the account owes its price and has paid it by a promise of its channel. */
export const captureByVoucher = (paid: PaidCharge & { readonly meter: string }): Entry =>
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
        debit: vouchers(paid.charged.asset),
        credit: receivable(paid.charged.asset, paid.account),
        amount: paid.charged,
      },
    ],
  );

interface ClaimedChannel {
  readonly provider: string;
  /** `chn_…` */
  readonly channel: string;
  /** Running total after it, in atomic units. With the channel it names the fact, so that each step up posts once. */
  readonly total: bigint;
  /** The step itself. */
  readonly amount: Amount;
}

/** A channel's total claimed on the chain rose in a final block, and the payee was paid out: a promise became money. */
export const settleClaim = (claim: ClaimedChannel & { readonly payTo: string }): Entry =>
  entry(
    {
      provider: claim.provider,
      name: `claim:${claim.channel}:${claim.total}`,
      reference: claim.channel,
      reason: 'vouchers claimed',
    },
    [
      {
        leg: 'receipt',
        debit: wallet(claim.amount.asset, claim.payTo),
        credit: vouchers(claim.amount.asset),
        amount: claim.amount,
      },
    ],
  );

/** A channel no longer holds what was charged on it, in a final block: the account owes again, and the debt is written off. */
export const loseClaim = (claim: ClaimedChannel & { readonly account: string }): Entry =>
  entry(
    {
      provider: claim.provider,
      name: `lose:${claim.channel}:${claim.total}`,
      reference: claim.channel,
      reason: 'channel emptied before its vouchers were claimed',
    },
    [
      {
        leg: 'return',
        debit: receivable(claim.amount.asset, claim.account),
        credit: vouchers(claim.amount.asset),
        amount: claim.amount,
      },
      {
        leg: 'loss',
        debit: badDebt(claim.amount.asset),
        credit: receivable(claim.amount.asset, claim.account),
        amount: claim.amount,
      },
    ],
  );

/** The channel was funded again and what was written off could be claimed after all: the loss is taken back. */
export const recoverClaim = (claim: ClaimedChannel & { readonly payTo: string }): Entry =>
  entry(
    {
      provider: claim.provider,
      name: `recover:${claim.channel}:${claim.total}`,
      reference: claim.channel,
      reason: 'lost vouchers claimed',
    },
    [
      {
        leg: 'receipt',
        debit: wallet(claim.amount.asset, claim.payTo),
        credit: badDebt(claim.amount.asset),
        amount: claim.amount,
      },
    ],
  );
