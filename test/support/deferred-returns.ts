import type pg from 'pg';
import type { Books } from '../../apps/local/src/stripe-stand-in/stripe-stand-in.js';

// Of the checker that shares no code with the service: what goes back, what was bought, and what was told.

const idOf = (of: string | { readonly id: string } | null): string => (typeof of === 'string' ? of : (of?.id ?? ''));

/** Writes down where two of them differ. */
export type Same = (what: string, ours: bigint | string, theirs: bigint | string) => void;

/** Disputes and refunds are known as they are at Stripe. */
export async function returnFaults(owner: pg.Pool, books: Books, faults: string[], same: Same): Promise<void> {
  const { rows: disputes } = await owner.query<{ id: string; state: string }>(
    'SELECT stripe_id AS id, state FROM disputes',
  );
  const states = new Map(disputes.map(({ id, state }) => [id, state]));
  const counted = books.disputes.filter(({ status }) => !status.startsWith('warning'));
  for (const { id, status } of counted)
    same(`dispute ${id}`, states.get(id) ?? 'unknown', status === 'won' || status === 'lost' ? status : 'open');
  same('disputes', BigInt(disputes.length), BigInt(counted.length));
  const { rows: refunds } = await owner.query<{ id: string; stripe: string | null; state: string; cents: string }>(
    'SELECT id, stripe_id AS stripe, state, cents::text FROM card_refunds',
  );
  for (const { id, stripe, state, cents } of refunds) {
    const made = books.refunds.filter(({ metadata }) => metadata?.refund === id);
    if (made.length > 1) faults.push(`${id} was sent ${made.length} times`);
    const [refund] = made;
    if (!refund) {
      if (state !== 'failed') faults.push(`${id} is ${state}, and not at Stripe`);
      continue;
    }
    same(
      `refund ${id}`,
      `${stripe} ${cents} ${state}`,
      `${refund.id} ${refund.amount} ${refund.status === 'pending' ? 'sent' : refund.status}`,
    );
  }
}

/** What was invented was never kept, and what was kept was dealt with. */
export async function eventFaults(owner: pg.Pool, books: Books, faults: string[]): Promise<void> {
  const real = new Set(books.events.map(({ id }) => id));
  const { rows } = await owner.query<{ id: string; state: string; type: string; seconds: string }>(
    'SELECT id, type, state, floor(extract(epoch FROM created_at))::text AS seconds FROM stripe_events',
  );
  for (const { id, state, type, seconds } of rows) {
    // Stripe forgets its events after 30 days.
    const forgotten = Number(seconds) * 1_000 < books.now - 29 * 86_400_000;
    if (!real.has(id) && (!forgotten || id.includes('forged'))) faults.push(`event ${id} is none of Stripe's`);
    if (state === 'received') faults.push(`event ${id} (${type}) was never looked at`);
  }
}

/** Balance is there for every payment on a hosted page, once, and for nothing else. */
export async function checkoutFaults(owner: pg.Pool, books: Books, faults: string[], same: Same): Promise<void> {
  const { rows } = await owner.query<{
    id: string;
    state: string;
    cents: string;
    intent: string | null;
    granted: string;
    fits: boolean;
  }>(
    `SELECT c.id, c.state, c.cents::text, c.intent_id AS intent, g.granted::text, g.fits FROM checkouts c,
       LATERAL (SELECT coalesce(sum(amount), 0) AS granted, coalesce(sum(amount), 0) = c.amount AS fits FROM grants WHERE funding = c.id) g
     WHERE c.purpose = 'topup'`,
  );
  for (const { id, state, cents, intent, granted, fits } of rows) {
    const paid = books.charges.filter(({ metadata, status }) => metadata.checkout === id && status === 'succeeded');
    if (paid.length > 1) faults.push(`${id} was paid ${paid.length} times`);
    const [charge] = paid;
    same(`page ${id}`, state === 'complete' ? 'paid' : 'not paid', charge ? 'paid' : 'not paid');
    if (charge) same(`paid on ${id}`, `${cents} by ${intent}`, `${charge.amount} by ${idOf(charge.payment_intent)}`);
    if (charge ? !fits : granted !== '0') faults.push(`${id} gave ${granted} of balance`);
    if (['opening', 'open'].includes(state)) faults.push(`${id} is ${state}`);
  }
}
