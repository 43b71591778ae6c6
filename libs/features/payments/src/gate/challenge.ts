import { type Quote, quoteLife, requirementV1Of } from '@core/payments';
import type { Clock } from '@core/time';
import { epochSeconds } from '@core/time';
import {
  PAYMENT_IDENTIFIER,
  PAYMENT_IDENTIFIER_DECLARATION,
  PAYMENT_LIMITS,
  type PaymentRequirements,
} from '@core/x402';
import { SIGN_IN_EXTENSION } from '@core/agents';
import type { OfferSignIn } from '@features/accounts';
import type { SignedOffers } from '../receipts/signed-offers.js';
import type { WireReply } from './gate-decisions.js';
import { type QuoteSealer, requestDigest } from './quote-sealer.js';
import { shownUrl } from './shown-url.js';
import type { ChallengeHints, PaymentScheme } from './way-to-pay.js';
import { challengeReply } from './wire-replies.js';

/** Most challenges kept at once. */
const KEPT = 20_000;

/** The longest payload of a scheme, a deposit with its first voucher, and the name of the payment. */
const PAYLOAD_BYTES = 1_700;
/** What clients may echo of a challenge in a payment, so that its header can still be read: three bytes for four characters. */
const ECHOED = (PAYMENT_LIMITS.characters / 4) * 3 - PAYLOAD_BYTES;

/** What a scheme adds to its offer so that a client can correct itself. */
export interface Correction {
  readonly scheme: string;
  readonly network: string;
  readonly extra: Readonly<Record<string, unknown>>;
}

/** What a challenge says beyond its reason. */
export interface MoreToSay {
  readonly correction?: Correction | undefined;
  /** For the `farebox` extension. */
  readonly info?: Readonly<Record<string, unknown>> | undefined;
}

/** Makes challenges. A quote is the same for as long as its bucket lasts, and so is its challenge: it is made once. */
export class Challenges {
  readonly #kept = new Map<string, WireReply>();

  constructor(
    private readonly sealer: QuoteSealer,
    private readonly clock: Clock,
    private readonly quoteSeconds: number,
    private readonly schemes: readonly Pick<PaymentScheme, 'offer' | 'network' | 'extensions'>[],
    private readonly signedOffers: SignedOffers | undefined,
    private readonly signIn: OfferSignIn | undefined,
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
      quote.onCredit,
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
  refused(quote: Quote, hints: ChallengeHints, error: string, more: MoreToSay = {}): WireReply {
    return this.#reply(quote, hints, error, {}, more);
  }

  #reply(
    quote: Quote,
    hints: ChallengeHints,
    error: string,
    headers: Readonly<Record<string, string>>,
    { correction, info }: MoreToSay = {},
  ): WireReply {
    const accepts = this.offers(quote).map((offer) =>
      offer.scheme === correction?.scheme && offer.network === correction.network
        ? { ...offer, extra: { ...offer.extra, ...correction.extra } }
        : offer,
    );
    const url = shownUrl(quote.request.url);
    const v1 = requirementV1Of(quote, hints);
    const resource = { url, description: hints.description, mimeType: hints.mimeType };
    const extensions = {
      [PAYMENT_IDENTIFIER]: PAYMENT_IDENTIFIER_DECLARATION,
      ...this.#signInFor(quote),
      ...this.#declaredWith(accepts),
      ...(info === undefined ? {} : { farebox: { info } }),
    };
    const offers = this.signedOffers?.extensionFor(
      accepts,
      url,
      quote.expiresAt,
      ECHOED - sizeOf({ resource, extensions }) - Math.max(0, ...accepts.map(sizeOf)),
    );
    return challengeReply(
      { x402Version: 2, error, resource, accepts, extensions: { ...extensions, ...offers } },
      v1 && { x402Version: 1, error, accepts: [v1] },
      headers,
    );
  }

  /** What the schemes of these offers say beside them. */
  #declaredWith(accepts: readonly PaymentRequirements[]): Record<string, object> {
    const offering = this.schemes.filter(({ network }) => accepts.some((offer) => offer.network === network));
    return Object.fromEntries(offering.flatMap(({ extensions = {} }) => Object.entries(extensions)));
  }

  /** Asks a wallet that has an account to sign in. Agents that are given the same challenge may both: a proof is used once for each wallet. */
  #signInFor({ provider, request, asset }: Quote): Record<string, object> {
    if (!this.signIn || !request.url.startsWith('http')) return {};
    const now = this.clock.now();
    const challenge = this.signIn.run({ provider, url: shownUrl(request.url), networks: [asset.network], now });
    return { [SIGN_IN_EXTENSION]: challenge };
  }
}

const sizeOf = (value: object): number => Buffer.byteLength(JSON.stringify(value));
