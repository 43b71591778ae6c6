import type { Writer } from '@platform/database';
import { PaymentsStore } from './payments.store.js';

const PAGE = 500;

/** Lets go of reservations that were not served in time. The database's clock decides. */
export class VoidExpired {
  readonly #payments: PaymentsStore;

  constructor(private readonly db: Writer) {
    this.#payments = new PaymentsStore(db);
  }

  /** How many were let go. */
  async run(): Promise<number> {
    return (await inPages(() => this.#payments.voidExpired(PAGE))) + (await inPages(() => this.#voidVouchers()));
  }

  /** A while after their time, so that a capture in its last moment is never overtaken: it locks the channel, this does not. */
  async #voidVouchers(): Promise<number> {
    const rows = await this.db.query(
      `WITH expired AS (
         SELECT id FROM vouchers WHERE state = 'reserved' AND expires_at <= now() - interval '30 s'
         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
       )
       UPDATE vouchers v SET state = 'voided', voided_at = now(), void_reason = 'expired' FROM expired WHERE v.id = expired.id RETURNING 1`,
      [PAGE],
    );
    return rows.length;
  }
}

async function inPages(page: () => Promise<number>): Promise<number> {
  for (let total = 0; ;) {
    const done = await page();
    total += done;
    if (done < PAGE) return total;
  }
}
