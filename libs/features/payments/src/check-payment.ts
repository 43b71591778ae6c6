import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import {
  type PayableAssets,
  type Quote,
  type QuotedRequest,
  releases,
  requirementsOf,
  SERVICE_SECONDS,
  RELEASE_LEVELS,
} from '@core/payments';
import { addMs, type Clock, epochSeconds } from '@core/time';
import {
  decodePaymentHeader,
  decodePaymentHeaderV1,
  type ExactAuthorization,
  exactAuthorizationOf,
  networkOfNameV1,
  type PaymentPayload,
  type PaymentPayloadV1,
  sameRequirements,
} from '@core/x402';
import type { AuthorizePayment } from './authorize-payment.js';
import type { ChallengeHints, Challenges } from './challenge.js';
import type { CheckDecision } from './gate-decisions.js';
import { viewOf } from './payment-view.js';
import type { PaymentRow, PaymentStore } from './payments.store.js';
import type { Payees } from './payees.js';
import { type PriceRequest, readQuotedRequest, type RequestToPrice } from './price-request.js';
import { type QuoteSealer, requestDigest } from './quote-sealer.js';
import type { ReleaseWaiter } from './release-waiter.js';
import { failedReply, pendingReply, problemReply, settlementHeaders } from './wire-replies.js';

export interface RequestToCheck extends RequestToPrice, ChallengeHints {
  /** PAYMENT-SIGNATURE as received. */
  readonly paymentSignature?: string | undefined;
  /** X-PAYMENT as received. */
  readonly xPayment?: string | undefined;
  /** Names this arrival of the request; the same attempt may ask again. */
  readonly attempt?: string | undefined;
}

/** Terms that were found to be ours, with the authorization that is to pay them. */
interface Terms {
  readonly quote: Quote;
  readonly authorization: ExactAuthorization;
}

type Read = { readonly terms: Terms } | { readonly decision: CheckDecision };

/** What the gate is asked once per request: may it go ahead? Steps as in the order of checks of a payment header. */
export class CheckPayment {
  constructor(
    private readonly prices: PriceRequest,
    private readonly challenges: Challenges,
    private readonly sealer: QuoteSealer,
    private readonly authorize: AuthorizePayment,
    private readonly store: PaymentStore,
    private readonly payees: Payees,
    private readonly waiter: ReleaseWaiter,
    private readonly assets: PayableAssets,
    private readonly clock: Clock,
    private readonly settings: {
      readonly publicUrl: string;
      readonly quoteSeconds: number;
      readonly releaseWaitMs: number;
    },
  ) {}

  /** @throws Fault for a request the provider has to mend, and `unavailable` when nothing can be decided now. */
  async run({ provider, request }: { provider: string; request: RequestToCheck }): Promise<CheckDecision> {
    const quoted = readQuotedRequest(request);
    if (request.paymentSignature !== undefined) {
      const decoded = decodePaymentHeader(request.paymentSignature);
      if (!decoded.ok) return malformed(decoded.message, decoded.reason);
      return this.#decide(request, quoted, await this.#termsV2(provider, request, quoted, decoded.payload));
    }
    if (request.xPayment !== undefined) {
      const decoded = decodePaymentHeaderV1(request.xPayment);
      if (!decoded.ok) return malformed(decoded.message, decoded.reason);
      return this.#decide(request, quoted, await this.#termsV1(provider, request, quoted, decoded.payload));
    }
    return { decision: 'pay', reply: this.challenges.unpaid(await this.prices.run(provider, quoted), request) };
  }

  /** Version 2 echoes the offer: the seal in it is opened, the offer rebuilt from it and compared to the last key. */
  async #termsV2(
    provider: string,
    request: RequestToCheck,
    quoted: QuotedRequest,
    payload: PaymentPayload,
  ): Promise<Read> {
    const { accepted } = payload;
    const again = async (error: string): Promise<Read> => ({
      decision: await this.#again(provider, quoted, request, error),
    });
    if (accepted.scheme !== 'exact') return again('unsupported_scheme');
    const seal = accepted.extra?.['quote'];
    const sealed = typeof seal === 'string' ? this.sealer.open(seal) : undefined;
    if (!sealed || typeof seal !== 'string') return again('invalid_payment_requirements');
    const asset = this.assets().find(
      ({ network, domain }) => network === sealed.network && domain.address === sealed.asset,
    );
    const release = RELEASE_LEVELS.find((level) => level === sealed.release);
    if (!asset || !release) return again('invalid_network');
    if (sealed.provider !== provider || sealed.request !== requestDigest(quoted))
      return again('quote_is_for_another_request');
    const quote: Quote = { ...sealed, release, asset, request: quoted };
    if (!sameRequirements(requirementsOf(quote, seal), accepted)) {
      return again(accepted.network === quote.asset.network ? 'invalid_payment_requirements' : 'invalid_network');
    }
    const read = exactAuthorizationOf(payload);
    if (!read.ok)
      return read.reason === 'unsupported_payload_type'
        ? again(read.reason)
        : { decision: malformed(read.message, read.reason) };
    return { terms: { quote, authorization: read.authorization } };
  }

  /** Version 1 echoes nothing: the price is computed again, now and as it was when an offer still open was made. */
  async #termsV1(
    provider: string,
    request: RequestToCheck,
    quoted: QuotedRequest,
    payload: PaymentPayloadV1,
  ): Promise<Read> {
    const again = async (error: string): Promise<Read> => ({
      decision: await this.#again(provider, quoted, request, error),
    });
    if (payload.scheme !== 'exact') return again('unsupported_scheme');
    if (!this.assets().some(({ network }) => network === networkOfNameV1(payload.network)))
      return again('invalid_network');
    const read = exactAuthorizationOf(payload);
    if (!read.ok)
      return read.reason === 'unsupported_payload_type'
        ? again(read.reason)
        : { decision: malformed(read.message, read.reason) };
    const { authorization } = read;
    const current = await this.prices.run(provider, quoted);
    if (current.amount === authorization.value) return { terms: { quote: current, authorization } };
    const earlier = await this.prices
      .run(provider, quoted, addMs(this.clock.now(), -this.settings.quoteSeconds * 1000))
      .catch((error: unknown) => {
        if (error instanceof Fault && error.reason === 'no_price') return undefined;
        throw error;
      });
    const life = { issuedAt: current.issuedAt, expiresAt: current.expiresAt };
    if (earlier?.amount === authorization.value) return { terms: { quote: { ...earlier, ...life }, authorization } };
    return { terms: { quote: current, authorization } };
  }

  async #decide(request: RequestToCheck, quoted: QuotedRequest, read: Read): Promise<CheckDecision> {
    if ('decision' in read) return read.decision;
    const { quote, authorization } = read.terms;
    const binding = bindingOf(quote, authorization);
    if (quote.expiresAt <= epochSeconds(this.clock.now())) {
      // An expired quote takes no new claim, but what was claimed in time is answered for as long as it is kept.
      const payment = await this.store.findClaim(
        quote.asset.network,
        quote.asset.domain.address,
        authorization.from,
        authorization.nonce,
      );
      if (payment?.binding === binding && this.authorize.signedBy(quote.asset, authorization))
        return this.#repeat(payment, quoted, request);
      return this.#again(quote.provider, quoted, request, 'quote_expired');
    }
    const authorized = await this.authorize.run({
      provider: quote.provider,
      origin: 'gate',
      asset: quote.asset,
      authorization,
      payTo: quote.payTo,
      amount: quote.amount,
      binding,
      resource: withoutQuery(quote.request.url),
      attempt: request.attempt,
      meterId: quote.meterId,
      meter: quote.request.meter,
      quantity: quote.request.quantity,
      priceId: quote.priceId,
      release: quote.release,
    });
    switch (authorized.outcome) {
      case 'claimed':
        return this.#serve(authorized.payment);
      case 'refused':
        return this.#again(quote.provider, quoted, request, authorized.reason);
      case 'exists':
        if (!authorized.same) {
          return conflict(
            'authorization_consumed',
            'This authorization already pays for another request. Sign a new one for this request.',
          );
        }
        return this.#repeat(authorized.payment, quoted, request);
    }
  }

  #serve(payment: PaymentRow): CheckDecision {
    return {
      decision: 'serve',
      payment: viewOf(payment, this.settings.publicUrl),
      captureWithinSeconds: SERVICE_SECONDS,
    };
  }

  /** The same payment for the same request again: the same answer again, once there is one. */
  async #repeat(payment: PaymentRow, quoted: QuotedRequest, request: RequestToCheck): Promise<CheckDecision> {
    const { publicUrl, releaseWaitMs } = this.settings;
    if (payment.state === 'reserved') {
      if (payment.attempt !== undefined && payment.attempt === request.attempt) return this.#serve(payment);
      return conflict(
        'payment_in_progress',
        'A request with this payment is being served. Ask again shortly with the same payment.',
        1,
      );
    }
    if (payment.state === 'voided') return this.#again(payment.provider, quoted, request, 'authorization_voided');
    const level = await this.payees.releaseOf(payment);
    const now = await this.waiter.wait(payment, level, releaseWaitMs);
    if (now.state === 'failed') return { decision: 'refuse', reply: failedReply(now, publicUrl) };
    if (!releases(level, now)) return { decision: 'replay', reply: pendingReply(now, publicUrl) };
    const kept = await this.store.reply(payment.id);
    if (!kept) {
      return conflict(
        'answer_not_kept',
        `The request was served and paid, but its answer was too large to keep. Payment: ${payment.id}.`,
      );
    }
    return {
      decision: 'replay',
      reply: {
        status: kept.status,
        headers: { ...kept.headers, ...settlementHeaders(now, publicUrl, true) },
        body: kept.body,
      },
    };
  }

  /** The challenge again, with the reason why the payment was not taken. */
  async #again(provider: string, quoted: QuotedRequest, hints: ChallengeHints, error: string): Promise<CheckDecision> {
    const quote = await this.prices.run(provider, quoted);
    return { decision: 'pay', reply: this.challenges.refused(quote, hints, error) };
  }
}

const malformed = (message: string, reason: string): CheckDecision => ({
  decision: 'refuse',
  reply: problemReply(new Fault('invalid_request', `${message}. Nothing was charged.`, { reason })),
});

const conflict = (reason: string, message: string, retryAfterSeconds?: number): CheckDecision => ({
  decision: 'refuse',
  reply: problemReply(
    new Fault('conflict', message, { reason, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }),
  ),
});

/** Query strings may carry personal data: they are bound by the digest and not kept. */
const withoutQuery = (url: string): string => url.split(/[?#]/, 1)[0] ?? '';

/** Lower-case hex digest of what a claim pays for. EIP-3009 itself binds no resource, so the claim does. */
function bindingOf(quote: Quote, authorization: ExactAuthorization): string {
  return createHash('sha256')
    .update(
      `gate\n${quote.provider}\n${requestDigest(quote.request)}\n${quote.asset.network}\n${quote.asset.domain.address}\n${authorization.to}\n${authorization.value}\n`,
    )
    .digest('hex');
}
