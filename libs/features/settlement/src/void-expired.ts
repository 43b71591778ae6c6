import type { Writer } from '@platform/database';
import { PaymentsStore } from './payments.store.js';

const PAGE = 500;

/** Lets go of reservations that were not served in time. The database's clock decides. */
export class VoidExpired {
  readonly #payments: PaymentsStore;

  constructor(db: Writer) {
    this.#payments = new PaymentsStore(db);
  }

  /** How many were let go. */
  async run(): Promise<number> {
    for (let voided = 0; ;) {
      const page = await this.#payments.voidExpired(PAGE);
      voided += page;
      if (page < PAGE) return voided;
    }
  }
}
