import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { ID_PREFIXES, isId } from '@core/ids';
import { compareDecimals, parseDecimal } from '@core/money';
import {
  type PayableAssets,
  type Quote,
  releases,
  requirementsOf,
  SERVICE_SECONDS,
  SETTLE_SECONDS,
} from '@core/payments';
import { exactBindingText } from '@core/records';
import { addMs, type Clock, epochSeconds } from '@core/time';
import {
  type ExactAuthorization,
  exactAuthorizationOf,
  networkOfNameV1,
  type PaymentPayload,
  type PaymentPayloadV1,
  type PaymentRequirements,
} from '@core/x402';
import type { CaptureDecision, CheckDecision, ExtendDecision, PaymentView } from '../gate/gate-decisions.js';
import { viewOf } from '../gate/payment-view.js';
import type { Payees } from '../gate/payees.js';
import type { PriceRequest } from '../gate/price-request.js';
import { requestDigest } from '../gate/quote-sealer.js';
import { conflict, identifierTaken, malformed, unknownPayment, withoutQuery } from '../gate/refusals.js';
import type { ReleaseWaiter } from '../gate/release-waiter.js';
import {
  again,
  type Asked,
  type PaymentScheme,
  type RequestToCapture,
  type RequestToCheck,
  type RequestToExtend,
  type Verdict,
} from '../gate/way-to-pay.js';
import type { Receipts } from '../receipts/receipts.js';
import { failedReply, pendingReply, settlementHeaders } from '../gate/wire-replies.js';
import { type AuthorizePayment, claimKey } from './authorize-payment.js';
import type { CaptureExact } from './capture-exact.js';
import type { PaymentRow, PaymentStore } from './payments.store.js';

/** Scheme `exact` on EVM: a signed transfer of the very amount, claimed before the work and settled after it. */
export class ExactWay implements PaymentScheme {
  readonly scheme = 'exact';
  readonly prefix = ID_PREFIXES.payment;
  readonly takesNames = true;

  constructor(
    private readonly prices: PriceRequest,
    private readonly authorize: AuthorizePayment,
    private readonly captures: CaptureExact,
    private readonly store: PaymentStore,
    private readonly payees: Payees,
    private readonly waiter: ReleaseWaiter,
    private readonly assets: PayableAssets,
    private readonly clock: Clock,
    private readonly settings: {
      readonly publicUrl: string;
      readonly quoteSeconds: number;
      readonly releaseWaitMs: number;
      readonly receipts?: Receipts | undefined;
    },
  ) {}

  offer(quote: Quote, seal: string): PaymentRequirements {
    return requirementsOf(quote, seal);
  }

  async pay(asked: Asked, quote: Quote, payload: PaymentPayload): Promise<Verdict> {
    const read = exactAuthorizationOf(payload);
    if (read.ok) return this.#decide(asked, quote, read.authorization);
    return read.reason === 'unsupported_payload_type' ? again(read.reason) : malformed(read.message, read.reason);
  }

  /** Version 1 echoes nothing: the price is computed again, now and as it was when an offer still open was made. */
  async payV1(asked: Asked, payload: PaymentPayloadV1): Promise<Verdict> {
    if (payload.scheme !== 'exact') return again('unsupported_scheme');
    if (!this.assets().some(({ network }) => network === networkOfNameV1(payload.network)))
      return again('invalid_network');
    const read = exactAuthorizationOf(payload);
    if (!read.ok)
      return read.reason === 'unsupported_payload_type' ? again(read.reason) : malformed(read.message, read.reason);
    const { authorization } = read;
    const { provider, quoted } = asked;
    const current = await this.prices.run(provider, quoted);
    if (current.amount === authorization.value) return this.#decide(asked, current, authorization);
    const earlier = await this.prices
      .run(provider, quoted, addMs(this.clock.now(), -this.settings.quoteSeconds * 1000))
      .catch((error: unknown) => {
        if (error instanceof Fault && error.reason === 'no_price') return undefined;
        throw error;
      });
    const life = { issuedAt: current.issuedAt, expiresAt: current.expiresAt };
    const quote = earlier?.amount === authorization.value ? { ...earlier, ...life } : current;
    return this.#decide(asked, quote, authorization);
  }

  async #decide(asked: Asked, quote: Quote, authorization: ExactAuthorization): Promise<Verdict> {
    const binding = bindingOf(quote, authorization);
    const { request } = asked;
    if (quote.expiresAt <= epochSeconds(this.clock.now())) {
      // An expired quote takes no new claim, but what was claimed in time is answered for as long as it is kept.
      const payment = await this.store.findClaim(claimKey(quote.asset, authorization));
      if (payment?.binding === binding && this.authorize.signedBy(quote.asset, authorization))
        return this.#repeat(payment, request);
      return again('quote_expired');
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
      identified: asked.identified,
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
        return again(authorized.reason);
      case 'identified': {
        const { payment: id, differs } = authorized.held;
        if (differs !== undefined) return identifierTaken(differs);
        return this.repeat(id, asked);
      }
      case 'exists':
        if (!authorized.same) {
          return conflict(
            'authorization_consumed',
            'This authorization already pays for another request. Sign a new one for this request.',
          );
        }
        return this.#repeat(authorized.payment, request);
    }
  }

  #serve(payment: PaymentRow): CheckDecision {
    return {
      decision: 'serve',
      payment: viewOf(payment, this.settings.publicUrl),
      captureWithinSeconds: SERVICE_SECONDS,
    };
  }

  async repeat(id: string, { request }: Asked): Promise<Verdict> {
    const payment = await this.store.find(id);
    if (!payment) throw new Fault('invariant_broken', `the payment ${id} of an identifier is gone`);
    return this.#repeat(payment, request);
  }

  /** The same payment for the same request again: the same answer again, once there is one. */
  async #repeat(payment: PaymentRow, request: RequestToCheck): Promise<Verdict> {
    if (payment.state === 'reserved') {
      if (payment.attempt !== undefined && payment.attempt === request.attempt) return this.#serve(payment);
      return conflict(
        'payment_in_progress',
        'A request with this payment is being served. Ask again shortly with the same payment.',
        1,
      );
    }
    if (payment.state === 'voided') return again('authorization_voided');
    return this.#answer(payment);
  }

  /** The stored answer of a payment that was served, as far as its settlement lets it leave. */
  async #answer(payment: PaymentRow): Promise<CheckDecision> {
    const { publicUrl, releaseWaitMs, receipts } = this.settings;
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
        headers: { ...kept.headers, ...settlementHeaders(now, publicUrl, true, receipts) },
        body: kept.body,
      },
    };
  }

  capture(input: { provider: string; request: RequestToCapture }): Promise<CaptureDecision> {
    return this.captures.run(input);
  }

  /**
   * What was signed for is all there is: up to that quantity it goes on, beyond it stops. The time to serve is renewed for as long
   * as the authorization leaves time to settle.
   */
  async extend({ provider, request }: { provider: string; request: RequestToExtend }): Promise<ExtendDecision> {
    const payment = await this.#owned(provider, request.payment);
    const [upTo, paid] = [parseDecimal(request.upTo), parseDecimal(payment.quantity ?? '1')];
    if (!upTo || !paid)
      throw new Fault('invalid_request', 'upTo has to be a plain decimal such as "2.5".', {
        reason: 'invalid_quantity',
      });
    const view = viewOf(payment, this.settings.publicUrl);
    if (compareDecimals(upTo, paid) > 0)
      return { decision: 'stop', payment: view, reason: 'amount_signed_for_is_used' };
    const seconds = await this.store.prolong(payment.id, SERVICE_SECONDS, SETTLE_SECONDS);
    if (seconds === undefined) return { decision: 'stop', payment: view, reason: 'reservation_ended' };
    return { decision: 'go', payment: view, captureWithinSeconds: seconds };
  }

  /** The request was not served: lets the authorization go. It is never charged; the claim stays, so it cannot be used again. */
  async void({
    provider,
    request,
  }: {
    provider: string;
    request: { payment: string; reason?: string | undefined };
  }): Promise<{ payment: PaymentView }> {
    await this.store.void(provider, request.payment, request.reason ?? 'not served');
    const payment = await this.#owned(provider, request.payment);
    if (payment.state !== 'voided') {
      throw new Fault('conflict', 'The payment was captured before and cannot be voided.', {
        reason: 'already_captured',
      });
    }
    return { payment: viewOf(payment, this.settings.publicUrl) };
  }

  async read(id: string): Promise<PaymentView | undefined> {
    if (!isId(id, ID_PREFIXES.payment)) return undefined;
    const payment = await this.store.find(id);
    return payment && viewOf(payment, this.settings.publicUrl);
  }

  async #owned(provider: string, id: string): Promise<PaymentRow> {
    const payment = await this.store.find(id);
    if (payment?.provider !== provider) throw unknownPayment();
    return payment;
  }
}

/** Lower-case hex digest of what a claim pays for. EIP-3009 itself binds no resource, so the claim does. */
const bindingOf = ({ provider, request, asset }: Quote, { to, value }: ExactAuthorization): string =>
  createHash('sha256')
    .update(
      exactBindingText({
        provider,
        request: requestDigest(request),
        network: asset.network,
        asset: asset.domain.address,
        payTo: to,
        amount: value,
      }),
    )
    .digest('hex');
