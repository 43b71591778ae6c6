import type Stripe from 'stripe';
import { noSuch } from './errors.js';
import { emit } from './events.js';
import type { Call } from './call.js';
import type { World } from './world.js';

export const mandates = {
  retrieve: ({ world, id }: Call): Stripe.Mandate => {
    const mandate = world.state.mandates[id];
    if (mandate === undefined) throw noSuch('mandate', id);
    return mandate;
  },
};

/** The payer's leave to debit a bank account, also later and off session. Cards need none here. */
export function grantMandate(world: World, method: Stripe.PaymentMethod): Stripe.Mandate | null {
  if (method.type === 'card') return null;
  const id = world.id('mandate');
  const reference = id.slice(-12).toUpperCase();
  const mandate: Stripe.Mandate = {
    id,
    object: 'mandate',
    customer_acceptance: {
      accepted_at: world.clock.seconds(),
      online: { ip_address: '127.0.0.1', user_agent: 'local Stripe stand-in' },
      type: 'online',
    },
    livemode: false,
    multi_use: {},
    payment_method: method.id,
    payment_method_details:
      method.type === 'sepa_debit'
        ? { type: 'sepa_debit', sepa_debit: { reference, url: `${world.url}/_stand_in/mandates/${id}` } }
        : { type: 'us_bank_account', us_bank_account: {} },
    status: 'active',
    type: 'multi_use',
  };
  world.state.mandates[id] = mandate;
  const made = world.state.madeFrom[method.id];
  if (made !== undefined) made.mandate = id;
  return mandate;
}

export function activeMandateOf(world: World, method: string): Stripe.Mandate | undefined {
  const mandate = world.state.mandates[world.state.madeFrom[method]?.mandate ?? ''];
  return mandate?.status === 'active' ? mandate : undefined;
}

/** The payer or the bank has withdrawn it: nothing can be debited under it any more. */
export function endMandate(world: World, method: string): void {
  const mandate = activeMandateOf(world, method);
  if (mandate === undefined) return;
  mandate.status = 'inactive';
  emit(world, 'mandate.updated', mandate, { status: 'active' });
}
