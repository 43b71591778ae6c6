import { type Quote, quoteLife, requirementV1Of } from '@core/payments';
import type { Clock } from '@core/time';
import { epochSeconds } from '@core/time';
import { PAYMENT_IDENTIFIER, PAYMENT_IDENTIFIER_DECLARATION, type PaymentRequirements } from '@core/x402';
import type { WireReply } from './gate-decisions.js';
import { type QuoteSealer, requestDigest } from './quote-sealer.js';
import type { ChallengeHints, PaymentScheme } from './way-to-pay.js';
import { challengeReply } from './wire-replies.js';

/** Most challenges kept at once. */
const KEPT = 20_000;

/** What a scheme adds to its offer so that a client can correct itself. */
export interface Correction {
  readonly scheme: string;
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Makes challenges. A quote is the same for as long as its bucket lasts, and so is its challenge: it is made once. */
export class Challenges {
  readonly #kept = new Map<string, WireReply>();

  constructor(
    private readonly sealer: QuoteSealer,
    private readonly clock: Clock,
    private readonly quoteSeconds: number,
    private readonly schemes: readonly PaymentScheme[],
  ) {}

  /** The offers of a quote, sealed, in the order the schemes are preferred. */
  offers(quote: Quote): PaymentRequirements[] {
    const seal = this.sealer.seal({
      provider: quote.provider,
      meterId: quote.meterId,
      priceId: quote.priceId,
      quantity: quote.request.quantity,
      amount: quote.amount,
      network: quote.asset.network,
      asset: quote.asset.domain.address,
      payTo: quote.payTo,
      release: quote.release,
      issuedAt: quote.issuedAt,
      expiresAt: quote.expiresAt,
      request: requestDigest(quote.request),
    });
    return this.schemes.flatMap((scheme) => scheme.offer(quote, seal) ?? []);
  }

  /** The challenge to an unpaid request. Says for how many seconds the paywall may answer with it by itself. */
  unpaid(quote: Quote, hints: ChallengeHints): WireReply {
    const { method, url, bodyDigest, meter, quantity } = quote.request;
    const terms = [
      quote.provider,
      quote.priceId,
      quote.payTo,
      quote.issuedAt,
      method,
      url,
      bodyDigest,
      meter,
      quantity,
    ];
    const key = [...terms, hints.description, hints.mimeType].join('\n');
    const kept = this.#kept.get(key);
    if (kept) return kept;
    const life = quoteLife(epochSeconds(this.clock.now()), this.quoteSeconds);
    const bucketEnd = life.issuedAt + Math.floor(this.quoteSeconds / 2);
    // Kept at most five seconds: a changed price or payee shows as soon as here.
    const seconds = Math.max(0, Math.min(5, bucketEnd - epochSeconds(this.clock.now())));
    const reply = this.#reply(quote, hints, 'PAYMENT-SIGNATURE header is required', {
      'x-farebox-cache-seconds': String(seconds),
    });
    if (this.#kept.size >= KEPT) this.#kept.clear();
    this.#kept.set(key, reply);
    return reply;
  }

  /** The challenge to a request whose payment was refused; `error` is the reason code. */
  refused(quote: Quote, hints: ChallengeHints, error: string, correction?: Correction): WireReply {
    return this.#reply(quote, hints, error, {}, correction);
  }

  #reply(
    quote: Quote,
    hints: ChallengeHints,
    error: string,
    headers: Readonly<Record<string, string>>,
    correction?: Correction,
  ): WireReply {
    const accepts = this.offers(quote).map((offer) =>
      offer.scheme === correction?.scheme ? { ...offer, extra: { ...offer.extra, ...correction.extra } } : offer,
    );
    const v1 = requirementV1Of(quote, hints);
    return challengeReply(
      {
        x402Version: 2,
        error,
        resource: { url: shownUrl(quote.request.url), description: hints.description, mimeType: hints.mimeType },
        accepts,
        extensions: { [PAYMENT_IDENTIFIER]: PAYMENT_IDENTIFIER_DECLARATION },
      },
      v1 && { x402Version: 1, error, accepts: [v1] },
      headers,
    );
  }
}

/** Query strings may carry personal data, and a payment may carry no string above 512 characters, this one echoed included. */
const shownUrl = (url: string): string => url.split(/[?#]/, 1)[0]?.slice(0, 512) ?? '';
