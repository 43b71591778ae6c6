import type { Writer } from '@platform/database';

/** Chains with work that waits, and since when. */
interface Overdue {
  readonly chainId: number;
  readonly queue: 'submit-settlement' | 'confirm-settlement';
  /** How long the oldest of it is overdue. */
  readonly seconds: number;
}

/** Work younger than this is on its way through the queue. */
const ON_ITS_WAY_SECONDS = 2;

/**
 * Finds work that the queue should have brought to a worker and has not: Redis may forget everything. It is staged again, once
 * per chain and queue, from what the database knows.
 */
export class SweepSettlement {
  constructor(private readonly db: Writer) {}

  async run(): Promise<Overdue[]> {
    const rows = await this.db.query<{ chain_id: number; queue: Overdue['queue']; seconds: number }>(
      `WITH waiting AS (
         SELECT chain_id, 'submit-settlement' AS queue, served_at AS since FROM payments WHERE state = 'served'
         UNION ALL
         SELECT chain_id, 'submit-settlement', next_run_at FROM payments WHERE state = 'settling' AND next_run_at <= now()
         UNION ALL
         SELECT chain_id, 'confirm-settlement', next_run_at FROM chain_transactions
         WHERE state IN ('signed', 'broadcast', 'mined', 'reverted') AND next_run_at <= now()
       ), overdue AS (
         SELECT chain_id, queue, extract(epoch FROM now() - min(since))::int AS seconds FROM waiting
         GROUP BY 1, 2 HAVING min(since) < now() - interval '${ON_ITS_WAY_SECONDS} s'
       ), staged AS (
         INSERT INTO outbox (queue, payload)
         SELECT o.queue, jsonb_build_object('chainId', o.chain_id) FROM overdue o
         WHERE NOT EXISTS (SELECT FROM outbox b WHERE b.queue = o.queue AND b.payload = jsonb_build_object('chainId', o.chain_id))
       )
       SELECT chain_id, queue, seconds FROM overdue`,
    );
    return rows.map(({ chain_id, queue, seconds }) => ({ chainId: chain_id, queue, seconds }));
  }
}
