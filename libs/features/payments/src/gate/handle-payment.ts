import type { CaptureDecision, ExtendDecision, PaymentView } from './gate-decisions.js';
import { unknownPayment } from './refusals.js';
import type { RequestToCapture, RequestToExtend, WayToPay } from './way-to-pay.js';

/** Which way a payment was made says the beginning of its id. */
abstract class OfAnyWay {
  readonly #ways: ReadonlyMap<string, WayToPay>;

  constructor(ways: readonly WayToPay[]) {
    this.#ways = new Map(ways.map((way) => [way.prefix, way]));
  }

  protected wayOf(payment: string): WayToPay | undefined {
    return this.#ways.get(payment.slice(0, payment.indexOf('_')));
  }

  protected knownWayOf(payment: string): WayToPay {
    const way = this.wayOf(payment);
    if (!way) throw unknownPayment();
    return way;
  }
}

/** The request was served: charges it, and says when the answer may leave. */
export class CapturePayment extends OfAnyWay {
  /** @throws Fault not_found for a payment that is not this provider's, invalid_request for a quantity above the checked one */
  async run(input: { provider: string; request: RequestToCapture }): Promise<CaptureDecision> {
    return this.knownWayOf(input.request.payment).capture(input);
  }
}

/** A long answer is under way: fixes what it used so far and covers what comes next, if that can be paid. */
export class ExtendPayment extends OfAnyWay {
  /** @throws Fault not_found for a payment that is not this provider's */
  async run(input: { provider: string; request: RequestToExtend }): Promise<ExtendDecision> {
    return this.knownWayOf(input.request.payment).extend(input);
  }
}

/** The request was not served: charges nothing. */
export class VoidPayment extends OfAnyWay {
  /** @throws Fault not_found for a payment that is not this provider's, conflict for one that was captured */
  async run(input: {
    provider: string;
    request: { payment: string; reason?: string | undefined };
  }): Promise<{ payment: PaymentView }> {
    return this.knownWayOf(input.request.payment).void(input);
  }
}

/** The public status of a payment, for whoever knows its id. */
export class ReadPayment extends OfAnyWay {
  async run(id: string): Promise<PaymentView | undefined> {
    return this.wayOf(id)?.read(id);
  }
}
