import { createHash } from 'node:crypto';
import type { Quote } from '@core/payments';

/**
 * What is asked and on which terms: all that has to be equal for two presentations to be the same purchase. Signature and
 * nonce are left out, so that an agent may sign anew. URL and body are digests.
 */
export interface Fingerprint {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  readonly meter: string;
  readonly quantity: string;
  readonly scheme: string;
  readonly network: string;
  readonly asset: string;
  /** Atomic units: the price, or the most that may be charged. */
  readonly amount: string;
  readonly payTo: string;
}

/** The name an agent gave a payment, and what it gave it to. */
export interface Identified {
  /** 16 to 128 letters, digits, `-` or `_`. */
  readonly identifier: string;
  readonly fingerprint: Fingerprint;
}

/** An identifier that names a payment already. */
export interface Held {
  /** `pay_…`, `hld_…`, `vch_…` */
  readonly payment: string;
  /** The first field in which the two purchases differ; undefined when they are the same. */
  readonly differs: keyof Fingerprint | undefined;
}

/** In the order in which differences are named. */
export const FINGERPRINT_FIELDS = [
  'method',
  'url',
  'body',
  'meter',
  'quantity',
  'scheme',
  'network',
  'asset',
  'amount',
  'payTo',
] as const satisfies readonly (keyof Fingerprint)[];

export const fingerprintOf = ({ request, asset, amount, payTo }: Quote, scheme: string): Fingerprint => ({
  method: request.method,
  url: createHash('sha256').update(request.url).digest('base64url'),
  body: request.bodyDigest,
  meter: request.meter,
  quantity: request.quantity,
  scheme,
  network: asset.network,
  asset: asset.domain.address,
  amount: amount.toString(),
  payTo,
});
