import { Fault } from '@core/faults';
import { ID_PREFIXES, isId } from '@core/ids';
import { compareDecimals, type Decimal, parseDecimal } from '@core/money';
import { SERVICE_SECONDS } from '@core/payments';
import type { Clock } from '@core/time';
import type { AuthenticateAgent, KnownAgent } from '@features/accounts';
import type { Holds, StoredHold } from '@features/wallet';
import type { CaptureDecision, CheckDecision, ExtendDecision, PaymentView } from '../gate/gate-decisions.js';
import type { PriceRequest } from '../gate/price-request.js';
import { conflict, reservationEnded, unknownPayment } from '../gate/refusals.js';
import {
  again,
  type Asked,
  type RequestToCapture,
  type RequestToExtend,
  type Verdict,
  type WayToPay,
} from '../gate/way-to-pay.js';
import { problemReply } from '../gate/wire-replies.js';
import { topUpUrl } from '../topups/top-up.js';
import { holdFor, keyReused, whyNotCharged } from './hold-for.js';
import { ceilingOf, receiptHeaders, viewOfHold } from './hold-view.js';

/** Who asks is known and has a balance here: a hold before the work, a charge of what was used after it. */
export class PrepaidWay implements WayToPay {
  readonly prefix = ID_PREFIXES.hold;

  constructor(
    private readonly prices: PriceRequest,
    private readonly agents: AuthenticateAgent,
    private readonly holds: Holds,
    private readonly clock: Clock,
    private readonly settings: { readonly publicUrl: string },
  ) {}

  /** What becomes of a request that says who asks; undefined when nothing in it does. */
  async pay(asked: Asked): Promise<Verdict | undefined> {
    const { provider, request, quoted } = asked;
    if (!request.proof) return undefined;
    const agent = await this.agents.run({
      provider,
      proof: request.proof,
      request: { method: quoted.method, url: quoted.url, headers: request.proof.covered ?? {} },
      attempt: request.attempt,
      now: this.clock.now(),
    });
    switch (agent.outcome) {
      case 'none':
        return undefined;
      case 'refused':
        return again(agent.reason, undefined, { message: agent.message });
      case 'agent':
        return this.#hold(asked, agent);
    }
  }

  async #hold({ provider, request, quoted }: Asked, agent: KnownAgent): Promise<Verdict> {
    const refusal = whyNotCharged(agent);
    if (refusal) return { decision: 'refuse', reply: problemReply(refusal) };
    const price = await this.prices.price(provider, quoted);
    const taken = await this.holds.take(holdFor({ provider, request, quoted }, agent, price));
    switch (taken.outcome) {
      case 'held':
        return this.serve(taken.hold);
      case 'exists':
        return this.repeated(taken.hold, request.idempotencyKey === undefined);
      case 'conflict':
        return keyReused();
      case 'insufficient':
        return again('insufficient_balance', undefined, {
          ...lacking(price, taken.available),
          topUp: { url: topUpUrl(this.settings.publicUrl), provider, account: agent.account },
        });
      case 'limit':
        return again('spend_limit_reached', undefined, { ...lacking(price, taken.left), limit: taken.limit.id });
    }
  }

  /** A hold is taken: the work may begin. */
  serve(hold: StoredHold): CheckDecision {
    return { decision: 'serve', payment: this.#view(hold), captureWithinSeconds: SERVICE_SECONDS };
  }

  /** The same request again. `sameAttempt`: it is the very arrival that took the hold, whose answer was lost. */
  async repeated(hold: StoredHold, sameAttempt: boolean): Promise<CheckDecision> {
    switch (hold.state) {
      case 'held':
        if (sameAttempt) return this.serve(hold);
        return conflict('payment_in_progress', 'A request with this key is being served. Ask again shortly.', 1);
      case 'captured':
        return this.#replay(hold);
      case 'released':
      case 'expired':
        return conflict(
          'request_not_served',
          'The request with this key was not served and nothing was charged for it. Send it again with a new key.',
        );
    }
  }

  async #replay(hold: StoredHold): Promise<CheckDecision> {
    const kept = await this.holds.reply(hold.id);
    if (!kept) {
      return conflict(
        'answer_not_kept',
        `The request was served and paid, but its answer was too large to keep. Payment: ${hold.id}.`,
      );
    }
    const headers = { ...kept.headers, ...receiptHeaders(hold, this.settings.publicUrl) };
    return { decision: 'replay', reply: { status: kept.status, headers, body: kept.body } };
  }

  async capture({ provider, request }: { provider: string; request: RequestToCapture }): Promise<CaptureDecision> {
    const { hold, price } = await this.#priced(provider, request.payment, request.quantity);
    const capture = (covers: string) => {
      const quantity = request.quantity ?? covers;
      const amount = price(this.#within(quantity, covers, 'quantity'));
      return this.holds.capture({ provider, hold: hold.id, amount, quantity, covers, reply: request.reply });
    };
    let captured = await capture(hold.quantity);
    // Another process covered more meanwhile.
    while (captured.outcome === 'changed') captured = await capture(captured.hold.quantity);
    switch (captured.outcome) {
      case 'captured':
      case 'already':
        return {
          decision: 'release',
          payment: this.#view(captured.hold),
          headers: receiptHeaders(captured.hold, this.settings.publicUrl),
        };
      case 'ended':
        return { decision: 'withhold', payment: this.#view(captured.hold), reply: reservationEnded() };
      case 'unknown':
        throw unknownPayment();
    }
  }

  async extend({ provider, request }: { provider: string; request: RequestToExtend }): Promise<ExtendDecision> {
    const { hold, price } = await this.#priced(provider, request.payment);
    const upTo = this.#read(request.upTo, 'upTo');
    const used = this.#within(request.used, request.upTo, 'used');
    const most = ceilingOf(hold);
    const isBeyond = most !== undefined && price(upTo) > most;
    const charged = price(used);
    const extended = await this.holds.extend({
      provider,
      hold: hold.id,
      used: most !== undefined && charged > most ? most : charged,
      usedQuantity: request.used,
      // Of what was not agreed to, nothing is covered; what was used is fixed all the same.
      amount: isBeyond ? 0n : price(upTo),
      quantity: isBeyond ? request.used : request.upTo,
      ttlSeconds: SERVICE_SECONDS,
    });
    switch (extended.outcome) {
      case 'extended':
        if (isBeyond)
          return { decision: 'stop', payment: this.#view(extended.hold), reason: 'amount_signed_for_is_used' };
        return { decision: 'go', payment: this.#view(extended.hold), captureWithinSeconds: SERVICE_SECONDS };
      case 'insufficient':
        return { decision: 'stop', payment: this.#view(extended.hold), reason: 'insufficient_balance' };
      case 'limit':
        return { decision: 'stop', payment: this.#view(extended.hold), reason: 'spend_limit_reached' };
      case 'ended':
        return { decision: 'stop', payment: this.#view(extended.hold), reason: 'reservation_ended' };
      case 'unknown':
        throw unknownPayment();
    }
  }

  async void({
    provider,
    request,
  }: {
    provider: string;
    request: { payment: string; reason?: string | undefined };
  }): Promise<{ payment: PaymentView }> {
    const released = await this.holds.release({ provider, hold: request.payment, reason: request.reason });
    switch (released.outcome) {
      case 'released':
      case 'already':
        return { payment: this.#view(released.hold) };
      case 'captured':
        throw new Fault('conflict', 'The payment was captured before and cannot be voided.', {
          reason: 'already_captured',
        });
      case 'unknown':
        throw unknownPayment();
    }
  }

  async read(id: string): Promise<PaymentView | undefined> {
    if (!isId(id, ID_PREFIXES.hold)) return undefined;
    const hold = await this.holds.find(id);
    return hold && this.#view(hold);
  }

  #view(hold: StoredHold): PaymentView {
    return viewOfHold(hold, this.settings.publicUrl);
  }

  /**
   * A hold, and the price it was taken at as a function of the quantity. One that this process remembers will do: its price stays,
   * and what else may have changed is found out when it is written. `quantity`: what it should cover.
   */
  async #priced(
    provider: string,
    id: string,
    quantity = '0',
  ): Promise<{ hold: StoredHold; price: (quantity: Decimal) => bigint }> {
    const recalled = this.holds.recall(id);
    // One without a price was taken before its call was known, and is tied to it elsewhere.
    const known = recalled?.priceId !== undefined && this.#covers(recalled, quantity);
    const hold = known ? recalled : await this.holds.find(id);
    if (hold?.provider !== provider) throw unknownPayment();
    return { hold, price: await this.prices.atVersion(provider, hold.meter ?? '', hold.priceId ?? '') };
  }

  #read(text: string, field: string): Decimal {
    const decimal = parseDecimal(text);
    if (decimal && decimal.units >= 0n) return decimal;
    throw new Fault('invalid_request', `${field} has to be a plain decimal of zero or more, such as "2.5".`, {
      reason: 'invalid_quantity',
    });
  }

  #covers(hold: StoredHold, quantity: string): boolean {
    const decimal = parseDecimal(quantity);
    return decimal !== undefined && compareDecimals(decimal, this.#read(hold.quantity, 'quantity')) <= 0;
  }

  #within(text: string, most: string, field: string): Decimal {
    const decimal = this.#read(text, field);
    if (compareDecimals(decimal, this.#read(most, field)) <= 0) return decimal;
    throw new Fault('invalid_request', `${field} has to be at most ${most}, which is what is covered.`, {
      reason: 'invalid_quantity',
    });
  }
}

/** For the agent: what it would take. Atomic units. */
export const lacking = ({ amount, asset }: { readonly amount: bigint; readonly asset: string }, available: bigint) => ({
  asset,
  needed: amount.toString(),
  available: available.toString(),
});
