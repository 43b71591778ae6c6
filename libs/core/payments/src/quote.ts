import type { PaymentRequirements, RequirementV1 } from '@core/x402';
import type { PaymentAsset } from './payment-asset.js';

/** When a held response may leave, weakest first. */
export const RELEASE_LEVELS = ['authorized', 'submitted', 'confirmed'] as const;
export type ReleaseLevel = (typeof RELEASE_LEVELS)[number];

/** What a request asks for: the same values give the same quote while it lasts. */
export interface QuotedRequest {
  /** Upper case. */
  readonly method: string;
  /** Absolute URL with its query. */
  readonly url: string;
  /** Lower-case hex SHA-256 of the body; empty when there is none. */
  readonly bodyDigest: string;
  readonly meter: string;
  /** Plain decimal in shortest form. */
  readonly quantity: string;
}

/** A priced offer for one request. It is sealed into the offer itself and kept nowhere. */
export interface Quote {
  readonly provider: string;
  readonly request: QuotedRequest;
  readonly meterId: string;
  readonly priceId: string;
  /** Atomic units. */
  readonly amount: bigint;
  readonly asset: PaymentAsset;
  /** Lower case. */
  readonly payTo: string;
  readonly release: ReleaseLevel;
  /** Whether its seller gives credit in its asset; absent: that was decided when it was offered. */
  readonly onCredit?: boolean | undefined;
  /** Seconds since the epoch, from which the quote counts. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** How long the payer's authorization is to stay valid: what quotes offer as `maxTimeoutSeconds`. */
export const AUTHORIZATION_SECONDS = 300;

/** The start of a quote's life: whole buckets of half its length, so that a repeated request gets the same quote. */
export function quoteLife(nowSeconds: number, quoteSeconds: number): { issuedAt: number; expiresAt: number } {
  const bucket = Math.max(1, Math.floor(quoteSeconds / 2));
  const issuedAt = Math.floor(nowSeconds / bucket) * bucket;
  return { issuedAt, expiresAt: issuedAt + quoteSeconds };
}

/** The offer of a quote. `seal` is the signed quote; the price version stands beside it for people to read. */
export const requirementsOf = (quote: Quote, seal: string): PaymentRequirements => ({
  scheme: 'exact',
  network: quote.asset.network,
  amount: quote.amount.toString(),
  asset: quote.asset.displayAddress,
  payTo: quote.payTo,
  maxTimeoutSeconds: AUTHORIZATION_SECONDS,
  extra: {
    name: quote.asset.domain.name,
    version: quote.asset.domain.version,
    quote: seal,
    priceVersion: quote.priceId,
  },
});

/** The same offer in protocol version 1; undefined where the network has no name there. */
export function requirementV1Of(
  quote: Quote,
  hints: { description?: string | undefined; mimeType?: string | undefined },
): RequirementV1 | undefined {
  const network = quote.asset.networkV1;
  if (network === undefined) return undefined;
  return {
    scheme: 'exact',
    network,
    maxAmountRequired: quote.amount.toString(),
    resource: quote.request.url.split(/[?#]/, 1)[0] ?? '',
    description: hints.description ?? '',
    mimeType: hints.mimeType,
    payTo: quote.payTo,
    maxTimeoutSeconds: AUTHORIZATION_SECONDS,
    asset: quote.asset.displayAddress,
    extra: { name: quote.asset.domain.name, version: quote.asset.domain.version },
  };
}
