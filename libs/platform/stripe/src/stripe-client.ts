import Stripe from 'stripe';

/** Where Stripe is and who asks. */
export interface StripeSettings {
  readonly secretKey: string;
  /** Absent: Stripe itself. */
  readonly apiUrl?: string | undefined;
}

/** A call answers within this, or its outcome is unknown. */
const TIMEOUT_MS = 20_000;

/**
 * The official client, at the version of the API that it is made for. By itself it repeats a call only when its connection was closed, once and
 * under the same key; what else is repeated, and under which key, is written down by whoever calls.
 */
export function openStripe({ secretKey, apiUrl }: StripeSettings): Stripe {
  const at = apiUrl === undefined ? undefined : new URL(apiUrl);
  const protocol = at?.protocol === 'http:' ? 'http' : 'https';
  return new Stripe(secretKey, {
    maxNetworkRetries: 0,
    timeout: TIMEOUT_MS,
    telemetry: false,
    appInfo: { name: 'farebox' },
    ...(at ? { host: at.hostname, port: at.port || (protocol === 'http' ? 80 : 443), protocol } : {}),
  });
}
