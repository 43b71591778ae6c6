export { openStripe, type StripeSettings } from './stripe-client.js';
export { StripeCheckout } from './stripe-checkout.js';
export { StripeRail } from './stripe-rail.js';
export { StripeEvents } from './stripe-events.js';
export { StripeBalance } from './stripe-balance.js';
export { StripeReturns } from './stripe-returns.js';
