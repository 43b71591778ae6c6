import { OpenCheckout, TakeStripeEvent } from '@features/collections';
import { openStripe, StripeCheckout, StripeEvents } from '@platform/stripe';
import type { Rim } from './rim.js';

/** Takes the events of the Stripe account of the configuration; undefined without one, or without the secret they are signed with. */
export function takeStripeEventOf({ config, writer }: Pick<Rim, 'config' | 'writer'>): TakeStripeEvent | undefined {
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_API_URL: apiUrl, STRIPE_WEBHOOK_SECRET: secret } = config;
  if (secretKey === undefined || secret === undefined) return undefined;
  return new TakeStripeEvent(writer, new StripeEvents(openStripe({ secretKey, apiUrl }), secret));
}

/** Pages of Stripe's for holders of accounts; without a Stripe account the command says so. */
export const openCheckoutOf = ({ config, database, ids, clock }: Rim): OpenCheckout => {
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_API_URL: apiUrl } = config;
  const rail = secretKey === undefined ? undefined : new StripeCheckout(openStripe({ secretKey, apiUrl }));
  return new OpenCheckout(database, rail, ids, clock);
};
