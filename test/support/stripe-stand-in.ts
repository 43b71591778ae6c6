/** The local stand-in for Stripe, for tests of libs: they may not reach into an app. */
export { StripeStandIn } from '../../apps/local/src/stripe-stand-in/stripe-stand-in.js';
