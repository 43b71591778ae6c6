import type { NegativeProof, Receipt } from '@core/settlement';
import type { Hex } from '@core/x402';
import { amount, assetId } from '@core/money';
import type { settlePayment } from '@core/ledger';
import { big, type Writer, type WriterTx } from '@platform/database';
import {
  bytesOf,
  SETTLING_COLUMNS,
  settlingPayment,
  type SettlingPayment,
  type SettlingRow,
} from './settling-payment.js';

/** How long a claimed batch may stay unsigned before others take its payments. Longer than a simulation may take. */
const CLAIM_SECONDS = 10;

export interface Due {
  /** Served and not yet batched; counted up to the size of a batch. */
  readonly fresh: number;
  /** Milliseconds the oldest of them has waited. */
  readonly oldestMs: number;
  /** Others whose next attempt is due. */
  readonly again: boolean;
}

/** What the ledger must know of a payment that ends. */
export type EndedPayment = Parameters<typeof settlePayment>[0] & {
  readonly payer: string;
  /** What it was for. */
  readonly origin: PaidRow['origin'];
};

interface PaidRow {
  id: string;
  provider_id: string;
  account_id: string;
  asset_id: string;
  charged: string;
  pay_to: string;
  payer: string;
  origin: 'gate' | 'facilitator' | 'deposit' | 'topup' | 'refund' | 'statement';
}

const PAID_COLUMNS = 'p.id, p.provider_id, p.account_id, p.asset_id, p.charged::text, p.pay_to, p.payer, p.origin';

const paidCharge = (row: PaidRow): EndedPayment => ({
  provider: row.provider_id,
  account: row.account_id,
  payment: row.id,
  charged: amount(assetId(row.asset_id), big(row.charged)),
  payTo: row.pay_to,
  payer: row.payer,
  origin: row.origin,
});

/** Payments between serving and the end. A write names the state, and where it matters the batch, that it was decided on. */
export class PaymentsStore {
  constructor(private readonly db: Writer) {}

  /** What is due of payments that travel together; ceilings travel alone. */
  async due(chainId: number, most: number): Promise<Due> {
    const [row] = await this.db.query<{ fresh: number; oldest_ms: number; again: boolean }>(
      `SELECT count(*)::int AS fresh, coalesce(extract(epoch FROM now() - min(f.served_at)) * 1000, 0)::int AS oldest_ms,
         EXISTS (SELECT FROM payments a WHERE a.chain_id = $1 AND a.state = 'settling' AND a.next_run_at <= now() AND a.facilitator IS NULL) AS again
       FROM (SELECT served_at FROM payments WHERE chain_id = $1 AND state = 'served' AND facilitator IS NULL ORDER BY valid_before LIMIT $2) f`,
      [chainId, most],
    );
    return { fresh: row?.fresh ?? 0, oldestMs: row?.oldest_ms ?? 0, again: row?.again ?? false };
  }

  /** The relayer keys whose ceilings are due, earliest end first, and whether they may write now. */
  async dueFacilitators(chainId: number): Promise<{ facilitator: Hex; paused: boolean }[]> {
    return this.db.query(
      `SELECT p.facilitator, s.paused_reason IS NOT NULL OR s.address IS NULL AS paused
       FROM payments p LEFT JOIN chain_signers s ON s.chain_id = p.chain_id AND s.address = p.facilitator
       WHERE p.chain_id = $1 AND p.facilitator IS NOT NULL AND (p.state = 'served' OR (p.state = 'settling' AND p.next_run_at <= now()))
       GROUP BY 1, 2 ORDER BY min(p.valid_before)`,
      [chainId],
    );
  }

  /**
   * Puts payments that are due into a new batch, earliest end first. Payments another worker is claiming are passed over.
   * @param endedBefore only those whose time is over at this instant (Unix seconds): they need a proof and no relayer key
   * @param facilitator only ceilings that name this key; undefined: only what is none
   */
  async claim(
    chainId: number,
    batch: string,
    most: number,
    endedBefore: bigint | undefined,
    facilitator?: Hex,
  ): Promise<SettlingPayment[]> {
    const kind = facilitator === undefined ? 'facilitator IS NULL AND $5::text IS NULL' : 'facilitator = $5';
    const rows = await this.db.query<SettlingRow>(
      `WITH fresh AS (
         SELECT id, valid_before FROM payments
         WHERE chain_id = $1 AND state = 'served' AND ${kind} AND ($4::numeric IS NULL OR valid_before < $4)
         ORDER BY valid_before LIMIT $3 FOR UPDATE SKIP LOCKED
       ), again AS (
         SELECT id, valid_before FROM payments
         WHERE chain_id = $1 AND state = 'settling' AND next_run_at <= now() AND ${kind} AND ($4::numeric IS NULL OR valid_before < $4)
         ORDER BY valid_before LIMIT $3 FOR UPDATE SKIP LOCKED
       ), due AS (
         SELECT id FROM (SELECT * FROM fresh UNION ALL SELECT * FROM again) AS both_kinds ORDER BY valid_before, id LIMIT $3
       ), batch AS (
         INSERT INTO settlement_batches (id, chain_id) SELECT $2, $1 WHERE EXISTS (SELECT FROM due)
       )
       UPDATE payments p SET state = 'settling', batch_id = $2, attempts = p.attempts + 1,
         next_run_at = now() + interval '${CLAIM_SECONDS} s'
       FROM due WHERE p.id = due.id
       RETURNING ${SETTLING_COLUMNS}`,
      [chainId, batch, most, endedBefore, facilitator ?? null],
    );
    return rows.map(settlingPayment);
  }

  /** Takes payments out of a batch, to be tried again after the given delays. */
  async unbatch(on: Writer | WriterTx, batch: string, delays: ReadonlyMap<string, number>): Promise<void> {
    if (delays.size === 0) return;
    await on.query(
      `UPDATE payments p SET batch_id = NULL, next_run_at = now() + make_interval(secs => d.ms / 1000.0)
       FROM unnest($2::text[], $3::int[]) AS d (id, ms) WHERE p.id = d.id AND p.state = 'settling' AND p.batch_id = $1`,
      [batch, [...delays.keys()], [...delays.values()]],
    );
  }

  /** Ties the payments to a signed transaction, which answers for them from now on. True when all of them were still in the batch. */
  async carry(tx: WriterTx, batch: string, ids: readonly string[], hash: Buffer): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE payments SET next_run_at = NULL, transaction = $3
       WHERE id = ANY ($2) AND state = 'settling' AND batch_id = $1 RETURNING 1`,
      [batch, ids, hash],
    );
    return rows.length === ids.length;
  }

  async submitted(tx: WriterTx, batch: string): Promise<void> {
    await tx.query(
      "UPDATE payments SET submitted_at = coalesce(submitted_at, now()) WHERE batch_id = $1 AND state IN ('settling', 'included')",
      [batch],
    );
  }

  async carried(on: Writer | WriterTx, batch: string): Promise<SettlingPayment[]> {
    const rows = await on.query<SettlingRow>(
      `SELECT ${SETTLING_COLUMNS} FROM payments p WHERE p.batch_id = $1 AND p.state = 'settling'`,
      [batch],
    );
    return rows.map(settlingPayment);
  }

  /** Both events were seen in a block. */
  async include(
    on: Writer | WriterTx,
    batch: string,
    receipt: Receipt,
    logIndexes: ReadonlyMap<string, number>,
  ): Promise<void> {
    if (logIndexes.size === 0) return;
    await on.query(
      `UPDATE payments p SET state = 'included', transaction = $2, log_index = e.log_index, block_number = $3, block_hash = $4,
         included_at = now(), next_run_at = NULL, submitted_at = coalesce(p.submitted_at, now())
       FROM unnest($5::text[], $6::int[]) AS e (id, log_index) WHERE p.id = e.id AND p.state = 'settling' AND p.batch_id = $1`,
      [
        batch,
        bytesOf(receipt.hash),
        receipt.block.number,
        bytesOf(receipt.block.hash),
        [...logIndexes.keys()],
        [...logIndexes.values()],
      ],
    );
  }

  /** The blocks that hold transfers which are not final yet. */
  async includingBlocks(chainId: number): Promise<{ number: bigint; hash: Buffer }[]> {
    const rows = await this.db.query<{ number: string; hash: Buffer }>(
      "SELECT DISTINCT block_number::text AS number, block_hash AS hash FROM payments WHERE chain_id = $1 AND state = 'included'",
      [chainId],
    );
    return rows.map(({ number, hash }) => ({ number: big(number), hash }));
  }

  /**
   * The block is no longer part of the chain. A payment whose transaction of ours is still open waits for it; any other one
   * is due again at once.
   */
  async reopen(tx: WriterTx, chainId: number, blockHash: Buffer): Promise<string[]> {
    const rows = await tx.query<{ id: string }>(
      `WITH gone AS (
         SELECT p.id, EXISTS (SELECT FROM chain_transactions t WHERE t.batch_id = p.batch_id
             AND (t.state IN ('signed', 'broadcast') OR (t.state IN ('mined', 'reverted') AND t.block_hash = $2))) AS carried
         FROM payments p WHERE p.chain_id = $1 AND p.state = 'included' AND p.block_hash = $2 FOR UPDATE
       )
       UPDATE payments p SET state = 'settling', log_index = NULL, block_number = NULL, block_hash = NULL, included_at = NULL,
         batch_id = CASE WHEN gone.carried THEN p.batch_id END, next_run_at = CASE WHEN gone.carried THEN NULL ELSE now() END
       FROM gone WHERE p.id = gone.id RETURNING p.id`,
      [chainId, blockHash],
    );
    return rows.map(({ id }) => id);
  }

  /** Settles payments of a final block, at most so many. */
  async settle(tx: WriterTx, chainId: number, blockHash: Buffer, most: number): Promise<EndedPayment[]> {
    const rows = await tx.query<PaidRow>(
      `WITH final AS (
         SELECT id FROM payments WHERE chain_id = $1 AND state = 'included' AND block_hash = $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
       )
       UPDATE payments p SET state = 'settled', settled_at = now() FROM final WHERE p.id = final.id RETURNING ${PAID_COLUMNS}`,
      [chainId, blockHash, most],
    );
    return rows.map(paidCharge);
  }

  /** Fails a payment by its proof; undefined when it is no longer where it was decided on. */
  async fail(tx: WriterTx, batch: string, id: string, proof: NegativeProof): Promise<EndedPayment | undefined> {
    const json = JSON.stringify(proof, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
    const [row] = await tx.query<PaidRow>(
      `UPDATE payments p SET state = 'failed', failed_at = now(), failure = $3::jsonb, next_run_at = NULL
       WHERE p.id = $2 AND p.state = 'settling' AND p.batch_id = $1 RETURNING ${PAID_COLUMNS}`,
      [batch, id, json],
    );
    return row && paidCharge(row);
  }

  /** Refunds whose payments are final. */
  async refundsPaid(tx: WriterTx, payments: readonly string[]): Promise<void> {
    if (payments.length === 0) return;
    await tx.query("UPDATE refunds SET state = 'paid', reason = NULL, ended_at = now() WHERE payment_id = ANY ($1)", [
      payments,
    ]);
  }

  /** A refund whose payment is proven failed is owed again; the next one has another nonce. */
  async refundFailed(tx: WriterTx, payment: string, reason: string): Promise<void> {
    await tx.query(
      "UPDATE refunds SET state = 'owed', payment_id = NULL, attempt = attempt + 1, reason = $2 WHERE payment_id = $1",
      [payment, reason],
    );
  }

  /** Lets go of reservations whose time is over, by the database's clock. */
  async voidExpired(most: number): Promise<number> {
    const rows = await this.db.query(
      `WITH expired AS (
         SELECT id FROM payments WHERE state = 'reserved' AND expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
       )
       UPDATE payments p SET state = 'voided', voided_at = now(), void_reason = 'expired' FROM expired WHERE p.id = expired.id RETURNING 1`,
      [most],
    );
    return rows.length;
  }

  /** Wakes whoever waits for a payment. A hint: waiters read the payment again. */
  async announce(on: Writer | WriterTx, what: string): Promise<void> {
    await on.query("SELECT pg_notify('farebox_payment', $1)", [what]);
  }
}
