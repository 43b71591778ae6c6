import type { Writer } from '@platform/database';
import type { OrderStanding, PlaceOrder } from './place-order.js';

/** How often orders that are waited for are looked at without a hint. */
const LOOK_MS = 250;

type Done = (order: OrderStanding) => void;

/** Lets requests wait for their orders, all in one query. Notifications are hints; what counts is read from the database. */
export class OrderWaiter {
  readonly #waiting = new Map<string, Set<Done>>();
  readonly #stopListening: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  constructor(
    db: Writer,
    private readonly orders: Pick<PlaceOrder, 'standings'>,
  ) {
    this.#stopListening = db.listen('farebox_relay', () => void this.#look());
  }

  /** Resolves once the order is on the chain or has failed, and with what it is by then when `timeoutMs` has passed. */
  async wait(order: OrderStanding, timeoutMs: number): Promise<OrderStanding> {
    if (order.state !== 'open') return order;
    return new Promise<OrderStanding>((resolve, reject) => {
      const set = this.#waiting.get(order.id) ?? new Set<Done>();
      const leave = (): void => {
        clearTimeout(late);
        set.delete(done);
        if (set.size === 0) this.#waiting.delete(order.id);
      };
      const done: Done = (now) => {
        leave();
        resolve(now);
      };
      const late = setTimeout(() => {
        leave();
        this.orders.standings([order.id]).then((now) => resolve(now.get(order.id) ?? order), reject);
      }, timeoutMs);
      set.add(done);
      this.#waiting.set(order.id, set);
      this.#timer ??= setInterval(() => void this.#look(), LOOK_MS);
    });
  }

  async #look(): Promise<void> {
    if (this.#waiting.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    if (this.#looking) return;
    this.#looking = true;
    try {
      for (const order of (await this.orders.standings([...this.#waiting.keys()])).values()) {
        if (order.state !== 'open') for (const done of [...(this.#waiting.get(order.id) ?? [])]) done(order);
      }
    } catch {
      // The database is away: those who wait are answered by the next look or by their own time-out.
    } finally {
      this.#looking = false;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#stopListening();
  }
}
