import { type Amount, amount, subtractAmounts } from '@core/money';
import { type Entry, entry } from '../entry.js';
import { receivable, revenue } from './places.js';

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
