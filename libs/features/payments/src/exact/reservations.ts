import type { PaymentRow } from './payments.store.js';

/** Most reservations remembered; a service that holds more open at once looks the others up. */
const KEPT = 20_000;

/**
 * What this process reserved and was not asked to capture yet, so that a capture that comes back to it needs no look-up. A
 * memory and no authority: the capture itself is conditional on the row, wherever the payment was reserved and whatever
 * became of it since.
 */
export class Reservations {
  readonly #open = new Map<string, PaymentRow>();

  remember(payment: PaymentRow): void {
    if (this.#open.size >= KEPT) {
      const [oldest] = this.#open.keys();
      if (oldest !== undefined) this.#open.delete(oldest);
    }
    this.#open.set(payment.id, payment);
  }

  /** The payment as it was reserved, once. */
  take(id: string): PaymentRow | undefined {
    const payment = this.#open.get(id);
    if (payment) this.#open.delete(id);
    return payment;
  }
}
