import { createHmac } from 'node:crypto';
import type { DataFolder } from './data-folder.js';
import type { Ports } from './ports.js';
import { report } from './progress.js';
import type { Running } from './running.js';
import type { Secrets } from './secrets.js';
import { StripeStandIn } from './stripe-stand-in/stripe-stand-in.js';

/** What api and worker read to reach a Stripe account, and the stand-in where there is none. */
export interface LocalStripe {
  readonly variables: Readonly<Record<string, string>>;
  /** Absent where the environment names a Stripe account. */
  readonly standIn: StripeStandIn | undefined;
}

/** With `STRIPE_SECRET_KEY` in the environment the same code talks to Stripe; without it, to a stand-in that says so. */
export async function startStripe(
  parts: { readonly data: DataFolder; readonly ports: Ports; readonly secrets: Secrets },
  running: Running,
): Promise<LocalStripe> {
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_WEBHOOK_SECRET: webhookSecret } = process.env;
  if (secretKey !== undefined && secretKey !== '') {
    report('Cards and banks by the Stripe account of STRIPE_SECRET_KEY');
    // An empty variable counts as absent: then events are not taken, and Stripe is asked instead.
    const variables = { STRIPE_SECRET_KEY: secretKey, STRIPE_WEBHOOK_SECRET: webhookSecret ?? '' };
    return { variables, standIn: undefined };
  }
  const { data, ports, secrets } = parts;
  // Follows from what is kept, so that deliveries of an earlier start are still known.
  const secret = `whsec_${createHmac('sha256', secrets.keyPepper).update('stripe stand-in').digest('hex')}`;
  const standIn = await StripeStandIn.open({
    port: ports.stripe,
    snapshotFile: data.stripe,
    webhook: { url: `http://127.0.0.1:${ports.api}/webhooks/stripe`, secret },
  });
  await running.add({ name: 'The stand-in for Stripe', stop: () => standIn.close() });
  report(`Stand-in for Stripe ${standIn.url} (no card is charged and nothing leaves this machine)`);
  return {
    variables: {
      STRIPE_SECRET_KEY: 'sk_test_stand_in',
      STRIPE_API_URL: standIn.url,
      STRIPE_WEBHOOK_SECRET: secret,
    },
    standIn,
  };
}
