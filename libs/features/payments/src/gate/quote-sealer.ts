import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { QuotedRequest } from '@core/payments';
import { requestText } from '@core/records';

/** What a seal says. Everything else of a quote follows from it or from the request it came with. */
export interface SealedQuote {
  readonly provider: string;
  readonly meterId: string;
  readonly priceId: string;
  readonly quantity: string;
  readonly amount: bigint;
  readonly network: string;
  /** Token address, lower case. */
  readonly asset: string;
  readonly payTo: string;
  readonly release: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Digest of method, URL, body and meter: see `requestDigest`. */
  readonly request: string;
}

const VERSION = 1;

/** Base64url SHA-256 of what is asked for. */
export const requestDigest = (request: QuotedRequest): string =>
  createHash('sha256').update(requestText(request)).digest('base64url');

/**
 * Signs quotes, so that they need no row: what comes back in a payment is ours, unchanged, or refused. The seal is
 * `<base64url of a JSON list>.<base64url HMAC-SHA-256>`, at most 512 characters: it travels in every payment.
 */
export class QuoteSealer {
  constructor(private readonly secret: string) {}

  seal(quote: SealedQuote): string {
    const body = Buffer.from(
      JSON.stringify([
        VERSION,
        quote.provider,
        quote.meterId,
        quote.priceId,
        quote.quantity,
        quote.amount.toString(),
        quote.network,
        quote.asset,
        quote.payTo,
        quote.release,
        quote.issuedAt,
        quote.expiresAt,
        quote.request,
      ]),
    ).toString('base64url');
    return `${body}.${this.#mac(body).toString('base64url')}`;
  }

  /** The quote of a seal of ours; undefined for any other text. */
  open(seal: string): SealedQuote | undefined {
    const [body = '', mac = '', more] = seal.split('.');
    const given = Buffer.from(mac, 'base64url');
    const expected = this.#mac(body);
    // The text is compared as well, so that one quote has one spelling.
    if (more !== undefined || given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    if (expected.toString('base64url') !== mac) return undefined;
    const parts: unknown = JSON.parse(Buffer.from(body, 'base64url').toString());
    if (!Array.isArray(parts) || parts[0] !== VERSION) return undefined;
    const [
      ,
      provider,
      meterId,
      priceId,
      quantity,
      amount,
      network,
      asset,
      payTo,
      release,
      issuedAt,
      expiresAt,
      request,
    ] = parts.map(String);
    return {
      provider: provider ?? '',
      meterId: meterId ?? '',
      priceId: priceId ?? '',
      quantity: quantity ?? '',
      amount: BigInt(amount ?? '0'),
      network: network ?? '',
      asset: asset ?? '',
      payTo: payTo ?? '',
      release: release ?? '',
      issuedAt: Number(issuedAt),
      expiresAt: Number(expiresAt),
      request: request ?? '',
    };
  }

  #mac(body: string): Buffer {
    return createHmac('sha256', this.secret).update(body).digest();
  }
}
