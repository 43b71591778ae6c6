import type Stripe from 'stripe';
import { noSuch } from './errors.js';
import type { Params } from './params.js';
import type { World } from './world.js';

/** The customer a parameter names; a deleted one is no longer there. */
export function customerOf(world: World, id: string, param = 'customer'): Stripe.Customer {
  const customer = world.state.customers[id];
  if (customer === undefined || customer.deleted === true) throw noSuch('customer', id, param);
  return customer;
}

export function paymentIntentOf(world: World, id: string, param = 'payment_intent'): Stripe.PaymentIntent {
  const intent = world.state.paymentIntents[id];
  if (intent === undefined) throw noSuch('payment_intent', id, param);
  return intent;
}

export function setupIntentOf(world: World, id: string, param = 'setup_intent'): Stripe.SetupIntent {
  const intent = world.state.setupIntents[id];
  if (intent === undefined) throw noSuch('setupintent', id, param);
  return intent;
}

export function chargeOf(world: World, id: string, param = 'charge'): Stripe.Charge {
  const charge = world.state.charges[id];
  if (charge === undefined) throw noSuch('charge', id, param);
  return charge;
}

export function disputeOf(world: World, id: string): Stripe.Dispute {
  const dispute = world.state.disputes[id];
  if (dispute === undefined) throw noSuch('dispute', id);
  return dispute;
}

export function payoutOf(world: World, id: string): Stripe.Payout {
  const payout = world.state.payouts[id];
  if (payout === undefined) throw noSuch('payout', id);
  return payout;
}

export function sessionOf(world: World, id: string): Stripe.Checkout.Session {
  const session = world.state.sessions[id];
  if (session === undefined) throw noSuch('checkout.session', id);
  return session;
}

export function addressOf(params: Params | undefined): Stripe.Address | null {
  if (params === undefined) return null;
  const part = (name: string): string | null => params.text(name) ?? null;
  return {
    city: part('city'),
    country: part('country'),
    line1: part('line1'),
    line2: part('line2'),
    postal_code: part('postal_code'),
    state: part('state'),
  };
}
