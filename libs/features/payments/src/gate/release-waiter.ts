import { type ReleaseLevel, releases } from '@core/payments';
import type { Writer } from '@platform/database';
import type { PaymentRow, PaymentStore } from '../exact/payments.store.js';

/** How often waiting payments are looked at without a hint. */
const LOOK_MS = 250;

interface Waiting {
  readonly level: ReleaseLevel;
  readonly done: (payment: PaymentRow) => void;
}

/**
 * Lets requests wait until their payment has come as far as its release level asks. The settler's notifications are hints;
 * the state is read from the database, for all who wait in one query.
 */
export class ReleaseWaiter {
  readonly #waiting = new Map<string, Set<Waiting>>();
  readonly #stopListening: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #again = false;

  constructor(
    writer: Writer,
    private readonly store: PaymentStore,
  ) {
    this.#stopListening = writer.listen('farebox_payment', () => void this.#look());
  }

  /**
   * Resolves with the payment once it releases, fails or is voided, and with what it is by then when `timeoutMs` has
   * passed.
   */
  async wait(payment: PaymentRow, level: ReleaseLevel, timeoutMs: number): Promise<PaymentRow> {
    if (settled(payment, level)) return payment;
    return new Promise<PaymentRow>((resolve, reject) => {
      const set = this.#waiting.get(payment.id) ?? new Set<Waiting>();
      const leave = () => {
        clearTimeout(timer);
        set.delete(waiting);
        if (set.size === 0) this.#waiting.delete(payment.id);
      };
      const waiting: Waiting = {
        level,
        done: (now) => {
          leave();
          resolve(now);
        },
      };
      const timer = setTimeout(() => {
        leave();
        this.store.find(payment.id).then((now) => resolve(now ?? payment), reject);
      }, timeoutMs);
      set.add(waiting);
      this.#waiting.set(payment.id, set);
      this.#timer ??= setInterval(() => void this.#look(), LOOK_MS);
    });
  }

  async #look(): Promise<void> {
    if (this.#waiting.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    try {
      do {
        this.#again = false;
        const payments = await this.store.findMany([...this.#waiting.keys()]);
        for (const payment of payments.values()) {
          for (const waiting of [...(this.#waiting.get(payment.id) ?? [])]) {
            if (settled(payment, waiting.level)) waiting.done(payment);
          }
        }
      } while (this.#again);
    } catch {
      // The database is away: those who wait are answered by the next look or by their own time-out.
    } finally {
      this.#looking = false;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#stopListening();
  }
}

const settled = (payment: PaymentRow, level: ReleaseLevel): boolean =>
  releases(level, payment) || payment.state === 'failed' || payment.state === 'voided';
