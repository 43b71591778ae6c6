import { Fault } from '@core/faults';
import { ID_PREFIXES, isId } from '@core/ids';
import { compareDecimals, parseDecimal } from '@core/money';
import { type Quote, releases, SERVICE_SECONDS, SETTLE_SECONDS } from '@core/payments';
import type { CaptureDecision, CheckDecision, ExtendDecision, PaymentView } from '../gate/gate-decisions.js';
import { viewOf } from '../gate/payment-view.js';
import type { Payees } from '../gate/payees.js';
import { conflict, identifierTaken, unknownPayment, withoutQuery } from '../gate/refusals.js';
import type { ReleaseWaiter } from '../gate/release-waiter.js';
import {
  again,
  type Asked,
  type RequestToCapture,
  type RequestToCheck,
  type RequestToExtend,
  type Verdict,
  type WayToPay,
} from '../gate/way-to-pay.js';
import { failedReply, pendingReply, settlementHeaders } from '../gate/wire-replies.js';
import type { Receipts } from '../receipts/receipts.js';
import type { CaptureExact } from './capture-exact.js';
import type { Authorized, Presentation } from './claim-payment.js';
import type { PaymentRow, PaymentStore } from './payments.store.js';

/** What ways to pay need whose payments are claimed before the work and settled after it. */
export interface ClaimedParts {
  readonly captures: CaptureExact;
  readonly store: PaymentStore;
  readonly payees: Payees;
  readonly waiter: ReleaseWaiter;
  readonly settings: {
    readonly publicUrl: string;
    readonly releaseWaitMs: number;
    readonly receipts?: Receipts | undefined;
  };
}

/** A payment that is claimed before the work and settled after it, whatever its payer signed: from the claim on. */
export abstract class ClaimedWay implements WayToPay {
  readonly prefix = ID_PREFIXES.payment;
  readonly takesNames = true;

  constructor(protected readonly parts: ClaimedParts) {}

  /** What becomes of a payment that was authorized for this request, now or before. */
  protected async conclude(authorized: Authorized, asked: Asked): Promise<Verdict> {
    switch (authorized.outcome) {
      case 'claimed':
        return this.serve(authorized.payment);
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
        return this.repeatOf(authorized.payment, asked.request);
    }
  }

  protected serve(payment: PaymentRow): CheckDecision {
    return {
      decision: 'serve',
      payment: viewOf(payment, this.parts.settings.publicUrl),
      captureWithinSeconds: SERVICE_SECONDS,
    };
  }

  async repeat(id: string, { request }: Asked): Promise<Verdict> {
    const payment = await this.parts.store.find(id);
    if (!payment) throw new Fault('invariant_broken', `the payment ${id} of an identifier is gone`);
    return this.repeatOf(payment, request);
  }

  /** The same payment for the same request again: the same answer again, once there is one. */
  protected async repeatOf(payment: PaymentRow, request: RequestToCheck): Promise<Verdict> {
    if (payment.state === 'reserved') {
      if (payment.attempt !== undefined && payment.attempt === request.attempt) return this.serve(payment);
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
    const { publicUrl, releaseWaitMs, receipts } = this.parts.settings;
    const level = await this.parts.payees.releaseOf(payment);
    const now = await this.parts.waiter.wait(payment, level, releaseWaitMs);
    if (now.state === 'failed') return { decision: 'refuse', reply: failedReply(now, publicUrl) };
    if (!releases(level, now)) return { decision: 'replay', reply: pendingReply(now, publicUrl) };
    const kept = await this.parts.store.reply(payment.id);
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
    return this.parts.captures.run(input);
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
    const view = viewOf(payment, this.parts.settings.publicUrl);
    if (compareDecimals(upTo, paid) > 0)
      return { decision: 'stop', payment: view, reason: 'amount_signed_for_is_used' };
    const seconds = await this.parts.store.prolong(payment.id, SERVICE_SECONDS, SETTLE_SECONDS);
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
    await this.parts.store.void(provider, request.payment, request.reason ?? 'not served');
    const payment = await this.#owned(provider, request.payment);
    if (payment.state !== 'voided') {
      throw new Fault('conflict', 'The payment was captured before and cannot be voided.', {
        reason: 'already_captured',
      });
    }
    return { payment: viewOf(payment, this.parts.settings.publicUrl) };
  }

  async read(id: string): Promise<PaymentView | undefined> {
    if (!isId(id, ID_PREFIXES.payment)) return undefined;
    const payment = await this.parts.store.find(id);
    return payment && viewOf(payment, this.parts.settings.publicUrl);
  }

  async #owned(provider: string, id: string): Promise<PaymentRow> {
    const payment = await this.parts.store.find(id);
    if (payment?.provider !== provider) throw unknownPayment();
    return payment;
  }
}

/** What a payment at the gate is presented for, beside what was signed. */
export const presentedFor = (
  quote: Quote,
  asked: Asked,
): Omit<Presentation, 'asset' | 'authorization' | 'binding' | 'ceiling'> => ({
  provider: quote.provider,
  origin: 'gate',
  payTo: quote.payTo,
  amount: quote.amount,
  resource: withoutQuery(quote.request.url),
  identified: asked.identified,
  attempt: asked.request.attempt,
  meterId: quote.meterId,
  meter: quote.request.meter,
  quantity: quote.request.quantity,
  priceId: quote.priceId,
  release: quote.release,
});
