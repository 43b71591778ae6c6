import type Stripe from 'stripe';
import { emit } from './events.js';
import type { World } from './world.js';

/** Tells a completed Checkout session what became of the bank debit it started. */
export function settleSession(world: World, intent: Stripe.PaymentIntent): void {
  const session = Object.values(world.state.sessions).find((one) => one.payment_intent === intent.id);
  if (session?.status !== 'complete' || session.payment_status !== 'unpaid') return;
  if (intent.status === 'succeeded') {
    session.payment_status = 'paid';
    emit(world, 'checkout.session.async_payment_succeeded', session);
  } else if (intent.status === 'requires_payment_method') {
    emit(world, 'checkout.session.async_payment_failed', session);
  }
}
