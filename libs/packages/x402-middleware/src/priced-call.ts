import type { PaymentView } from './contract.js';
import { PaywallError } from './errors.js';

const PLAIN_DECIMAL = /^\d+(?:\.\d+)?$/;

/** What a handler behind the paywall may know and say about the request it serves. */
export class PricedCall {
  #measured: string | undefined;

  constructor(
    /** The payment reserved for this request. */
    readonly payment: PaymentView,
    /** Units the agent has agreed to pay for at most. */
    readonly quantity: string,
  ) {}

  /** What was measured so far, a plain decimal; absent: what was agreed will be charged. */
  get measured(): string | undefined {
    return this.#measured;
  }

  /**
   * Says what the request really used, a plain decimal. More than was agreed cannot be charged: then what was agreed is.
   * @throws PaywallError for anything but a plain decimal.
   */
  measure(quantity: string): void {
    if (!isPlainDecimal(quantity))
      throw new PaywallError(`The measured quantity ${String(quantity)} is not a plain decimal.`);
    this.#measured = isLess(this.quantity, quantity) ? this.quantity : quantity;
  }
}

export function isPlainDecimal(text: unknown): text is string {
  return typeof text === 'string' && PLAIN_DECIMAL.test(text);
}

/** Compares plain decimals exactly, as integers of the finer scale. */
function isLess(a: string, b: string): boolean {
  const [wholeA = '', fractionA = ''] = a.split('.');
  const [wholeB = '', fractionB = ''] = b.split('.');
  const scale = Math.max(fractionA.length, fractionB.length);
  return BigInt(wholeA + fractionA.padEnd(scale, '0')) < BigInt(wholeB + fractionB.padEnd(scale, '0'));
}
