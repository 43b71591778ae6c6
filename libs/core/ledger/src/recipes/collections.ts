import { type Amount, USD } from '@core/money';
import { type Entry, entry, type Leg } from '../entry.js';
import { legsAtPar } from './at-par.js';
import { badDebt, disputed, invoiced, processing, receivable, stripePending, unapplied } from './places.js';

/** An attempt to collect a statement by card or bank. */
interface Attempted {
  readonly provider: string;
  readonly account: string;
  /** `att_…` */
  readonly attempt: string;
  /** What it pays of the statement, in the statement's asset. */
  readonly covers: Amount;
}

const eventOf = ({ provider, attempt }: Attempted, kind: string, reason: string) => ({
  provider,
  name: `${kind}:${attempt}`,
  reference: attempt,
  reason,
});

/** A bank debit was started: still owed, and on its way. */
export const startDebit = (attempted: Attempted): Entry =>
  entry(eventOf(attempted, 'debit', 'bank debit started'), [
    {
      leg: 'processing',
      debit: processing(attempted.covers.asset, attempted.account),
      credit: invoiced(attempted.covers.asset, attempted.account),
      amount: attempted.covers,
    },
  ]);

/** The bank debit failed: owed as before. */
export const failDebit = (attempted: Attempted): Entry =>
  entry(eventOf(attempted, 'debit-failed', 'bank debit failed'), [
    {
      leg: 'processing',
      debit: invoiced(attempted.covers.asset, attempted.account),
      credit: processing(attempted.covers.asset, attempted.account),
      amount: attempted.covers,
    },
  ]);

/** What came in, gross: the fee is posted by the balance transaction that took it. */
const receiptLegs = ({ account, covers }: Attempted, cents: Amount, from: 'invoiced' | 'processing'): Leg[] =>
  legsAtPar(
    'payment',
    { place: stripePending(USD.id), amount: cents },
    { place: (from === 'processing' ? processing : invoiced)(covers.asset, account), amount: covers },
  );

/**
 * The money is in the Stripe balance. `over`: what of it the statement had no use for any more, as it was paid otherwise meanwhile;
 * the account has it back to apply.
 */
export const collect = (
  collected: Attempted & { readonly cents: Amount; readonly from: 'invoiced' | 'processing'; readonly over: Amount },
): Entry =>
  entry(eventOf(collected, 'collect', 'statement collected'), [
    ...receiptLegs(collected, collected.cents, collected.from),
    {
      leg: 'over',
      debit: invoiced(collected.over.asset, collected.account),
      credit: unapplied(collected.over.asset, collected.account),
      amount: collected.over,
    },
  ]);

/** Less than a cent is no part of a card payment: it is accrued again, for the next statement. */
export const carryRemainder = (carried: Omit<Attempted, 'covers'> & { readonly rest: Amount }): Entry =>
  entry(eventOf({ ...carried, covers: carried.rest }, 'carry', 'less than a cent, carried to the next statement'), [
    {
      leg: 'rest',
      debit: receivable(carried.rest.asset, carried.account),
      credit: invoiced(carried.rest.asset, carried.account),
      amount: carried.rest,
    },
  ]);

/**
 * Money that was collected went back, by a bank's return or a lost dispute: owed again. It left with the movement of Stripe's balance that
 * withdrew it (2050/1015); here the account owes what Stripe holds no longer for us.
 * @param fact Stripe's object that says so (`du_…`): it happens once for each
 */
export function returnCollected(
  returned: Attempted & { readonly cents: Amount; readonly over: Amount; readonly fact: string },
): Entry {
  const event = eventOf(returned, 'return', 'collected money went back');
  const { account, covers, cents, over } = returned;
  return entry({ ...event, name: `${event.name}:${returned.fact}` }, [
    ...legsAtPar(
      'debt',
      { place: invoiced(covers.asset, account), amount: covers },
      { place: disputed(cents.asset, account), amount: cents },
    ),
    { leg: 'over', debit: unapplied(over.asset, account), credit: invoiced(over.asset, account), amount: over },
  ]);
}

/**
 * Collecting was given up: what is still open is a loss.
 * @param version of the statement: it may be owed again and given up again
 */
export const writeOffStatement = (given: {
  readonly provider: string;
  readonly account: string;
  readonly statement: string;
  readonly version: number;
  readonly open: Amount;
}): Entry =>
  entry(
    {
      provider: given.provider,
      name: `write-off:${given.statement}:${given.version}`,
      reference: given.statement,
      reason: 'statement written off',
    },
    [
      {
        leg: 'loss',
        debit: badDebt(given.open.asset),
        credit: invoiced(given.open.asset, given.account),
        amount: given.open,
      },
    ],
  );
