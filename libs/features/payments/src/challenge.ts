import { type Quote, quoteLife, requirementsOf, requirementV1Of } from '@core/payments';
import type { Clock } from '@core/time';
import { epochSeconds } from '@core/time';
import type { PaymentRequirements } from '@core/x402';
import type { WireReply } from './gate-decisions.js';
import { type QuoteSealer, requestDigest } from './quote-sealer.js';
import { challengeReply } from './wire-replies.js';

/** Most challenges kept at once. */
const KEPT = 20_000;

export interface ChallengeHints {
  readonly description?: string | undefined;
  readonly mimeType?: string | undefined;
}

/** Makes challenges. A quote is the same for as long as its bucket lasts, and so is its challenge: it is made once. */
export class Challenges {
  readonly #kept = new Map<string, WireReply>();

  constructor(
    private readonly sealer: QuoteSealer,
    private readonly clock: Clock,
    private readonly quoteSeconds: number,
  ) {}

  /** The offer of a quote, sealed. */
  offer(quote: Quote): PaymentRequirements {
    return requirementsOf(
      quote,
      this.sealer.seal({
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
      }),
    );
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
  refused(quote: Quote, hints: ChallengeHints, error: string): WireReply {
    return this.#reply(quote, hints, error, {});
  }

  #reply(quote: Quote, hints: ChallengeHints, error: string, headers: Readonly<Record<string, string>>): WireReply {
    const v1 = requirementV1Of(quote, hints);
    return challengeReply(
      {
        x402Version: 2,
        error,
        resource: { url: shownUrl(quote.request.url), description: hints.description, mimeType: hints.mimeType },
        accepts: [this.offer(quote)],
      },
      v1 && { x402Version: 1, error, accepts: [v1] },
      headers,
    );
  }
}

/** Query strings may carry personal data, and a payment may carry no string above 512 characters, this one echoed included. */
const shownUrl = (url: string): string => url.split(/[?#]/, 1)[0]?.slice(0, 512) ?? '';
