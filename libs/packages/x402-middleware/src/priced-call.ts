import type { PaymentView } from './contract.js';
import { PaywallError } from './errors.js';
import { isLess, isPlainDecimal, smaller } from './plain-decimal.js';

/** What a handler behind the paywall may know and say about the request it serves. */
export class PricedCall {
  #measured: string | undefined;

  constructor(
    /** The payment reserved for this request. */
    readonly payment: PaymentView,
    /** Units the agent has agreed to pay for at most; of a stream the units its first part may use. */
    readonly quantity: string,
  ) {}

  /** What was measured so far, a plain decimal; absent: what was agreed will be charged. */
  get measured(): string | undefined {
    return this.#measured;
  }

  /** Aborted when a stream has to end, since no more of it is covered. Never for an answer that is held. */
  get stopped(): AbortSignal {
    return NEVER.signal;
  }

  /**
   * Says what the request really used, a plain decimal. More than was agreed cannot be charged: then what was agreed is.
   * @throws PaywallError for anything but a plain decimal.
   */
  measure(quantity: string): void {
    this.#measured = smaller(this.quantity, measuredQuantity(quantity));
  }

  /**
   * Says, before it is written, what the answer will have used in all with its next part, a plain decimal. Await it: `false` is to
   * write no more than a last word and to end. An answer that is held is measured by it, and told whether it was agreed.
   * @throws PaywallError for anything but a plain decimal.
   */
  use(total: string): PromiseLike<boolean> {
    this.measure(total);
    return Promise.resolve(!isLess(this.quantity, total));
  }
}

const NEVER = new AbortController();

export function measuredQuantity(quantity: string): string {
  if (isPlainDecimal(quantity)) return quantity;
  throw new PaywallError(`The measured quantity ${String(quantity)} is not a plain decimal.`);
}
