import type { Receipt, SignedTransaction, TransactionState, Watched } from '@core/settlement';
import { advanceTransaction } from '@core/settlement';
import type { Hex } from '@core/x402';
import { big, type Writer, type WriterTx } from '@platform/database';
import { bytesOf, hexOf } from './settling-payment.js';
import type { SignerLease } from './signers.store.js';

/** An open chain transaction with everything that may be mined for it. */
export interface OpenTransaction extends Watched {
  readonly id: string;
  readonly signer: Hex;
  readonly batch: string;
  readonly candidates: readonly Hex[];
}

interface OpenRow {
  id: string;
  signer: Hex;
  batch_id: string;
  state: TransactionState;
  nonce: string;
  hash: Buffer | null;
  block_number: string | null;
  block_hash: Buffer | null;
  candidates: string[];
  fillers: string[];
  candidate_age_ms: number;
  sent_ago_ms: number | null;
}

const prefixed = (digits: string): Hex => `0x${digits}`;

const openTransaction = (row: OpenRow): OpenTransaction => ({
  id: row.id,
  signer: row.signer,
  batch: row.batch_id,
  state: row.state,
  nonce: big(row.nonce),
  hash: row.hash ? hexOf(row.hash) : undefined,
  block:
    row.block_number && row.block_hash ? { number: big(row.block_number), hash: hexOf(row.block_hash) } : undefined,
  candidates: row.candidates.map(prefixed),
  fillers: row.fillers.map(prefixed),
  candidateAgeMs: row.candidate_age_ms,
  sentAgoMs: row.sent_ago_ms ?? undefined,
});

/** What a transaction of ours cost, and whose payments it carried. */
export interface Spent {
  /** Native atomic units. */
  readonly cost: bigint;
  readonly providers: ReadonlyMap<string, bigint>;
}

/** Chain transactions and their candidates: nonces, bytes, hashes, and how far each has come. */
export class TransactionsStore {
  constructor(private readonly db: Writer) {}

  async insert(
    tx: WriterTx,
    row: {
      id: string;
      chainId: number;
      lease: SignerLease;
      nonce: bigint;
      batch: string;
      providers: Readonly<Record<string, number>>;
      signed: SignedTransaction;
      kind?: 'batch' | 'upto';
    },
  ): Promise<void> {
    await tx.query(
      `INSERT INTO chain_transactions (id, chain_id, signer, nonce, batch_id, state, fence, hash, providers, kind, next_run_at)
       VALUES ($1, $2, $3, $4, $5, 'signed', $6, $7, $8::jsonb, $9, now() + interval '2 s')`,
      [
        row.id,
        row.chainId,
        row.lease.signer,
        row.nonce,
        row.batch,
        row.lease.fence,
        bytesOf(row.signed.hash),
        JSON.stringify(row.providers),
        row.kind ?? 'batch',
      ],
    );
    await this.addCandidate(tx, row.id, row.lease, row.signed, false);
  }

  /** Stores further bytes for the same nonce. */
  async addCandidate(
    tx: WriterTx,
    id: string,
    lease: SignerLease,
    signed: SignedTransaction,
    filler: boolean,
  ): Promise<void> {
    await tx.query(
      `INSERT INTO chain_candidates (hash, transaction_id, raw, max_fee_per_gas, max_priority_fee_per_gas, filler)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
      [
        bytesOf(signed.hash),
        id,
        bytesOf(signed.raw),
        signed.fees.maxFeePerGas,
        signed.fees.maxPriorityFeePerGas,
        filler,
      ],
    );
    await tx.query('UPDATE chain_transactions SET fence = $2 WHERE id = $1', [id, lease.fence]);
  }

  /**
   * The open transactions that are due to be looked at, in order of nonce. Looking puts the next look off, so that two
   * workers share the work.
   */
  async look(chainId: number, everyMs: number, most: number): Promise<OpenTransaction[]> {
    const rows = await this.db.query<OpenRow>(
      `WITH due AS (
         SELECT id FROM chain_transactions
         WHERE chain_id = $1 AND state IN ('signed', 'broadcast', 'mined', 'reverted') AND next_run_at <= now()
         ORDER BY next_run_at LIMIT $3 FOR UPDATE SKIP LOCKED
       ), looked AS (
         UPDATE chain_transactions t SET next_run_at = now() + make_interval(secs => $2 / 1000.0), attempts = t.attempts + 1
         FROM due WHERE t.id = due.id RETURNING t.*
       )
       SELECT t.id, t.signer, t.batch_id, t.state, t.nonce::text, t.hash, t.block_number::text, t.block_hash,
         c.candidates, c.fillers, c.candidate_age_ms, c.sent_ago_ms
       FROM looked t, LATERAL (
         SELECT array_agg(encode(c.hash, 'hex') ORDER BY c.created_at) AS candidates,
           coalesce(array_agg(encode(c.hash, 'hex')) FILTER (WHERE c.filler), '{}') AS fillers,
           (extract(epoch FROM now() - max(c.created_at)) * 1000)::int AS candidate_age_ms,
           (extract(epoch FROM now() - max(c.broadcast_at)) * 1000)::int AS sent_ago_ms
         FROM chain_candidates c WHERE c.transaction_id = t.id
       ) c
       ORDER BY t.signer, t.nonce`,
      [chainId, everyMs, most],
    );
    return rows.map(openTransaction);
  }

  /** The bytes that were signed last. */
  async newest(id: string): Promise<SignedTransaction | undefined> {
    const [row] = await this.db.query<{ hash: Buffer; raw: Buffer; max: string; tip: string }>(
      `SELECT hash, raw, max_fee_per_gas::text AS max, max_priority_fee_per_gas::text AS tip FROM chain_candidates
       WHERE transaction_id = $1 ORDER BY created_at DESC, max_fee_per_gas DESC LIMIT 1`,
      [id],
    );
    if (!row) return undefined;
    return {
      hash: hexOf(row.hash),
      raw: hexOf(row.raw),
      fees: { maxFeePerGas: big(row.max), maxPriorityFeePerGas: big(row.tip) },
    };
  }

  /** A node was handed the bytes. `taken`: it has them. */
  async sent(tx: WriterTx, id: string, hash: Hex, taken: boolean): Promise<void> {
    await tx.query('UPDATE chain_candidates SET broadcast_at = now() WHERE hash = $1', [bytesOf(hash)]);
    if (taken)
      await tx.query("UPDATE chain_transactions SET state = 'broadcast' WHERE id = $1 AND state = 'signed'", [id]);
  }

  /** A candidate was mined. False when somebody else recorded a change first. */
  async mined(tx: WriterTx, transaction: OpenTransaction, receipt: Receipt): Promise<boolean> {
    const state = advanceTransaction(transaction.state, receipt.success ? 'mined' : 'reverted');
    const rows = await tx.query(
      `UPDATE chain_transactions SET state = $3, hash = $4, block_number = $5, block_hash = $6, gas_used = $7, gas_price = $8,
         data_fee = $9, mined_at = now(), next_run_at = now()
       WHERE id = $1 AND state = $2 RETURNING 1`,
      [
        transaction.id,
        transaction.state,
        state,
        bytesOf(receipt.hash),
        receipt.block.number,
        bytesOf(receipt.block.hash),
        receipt.gasUsed,
        receipt.gasPrice,
        receipt.dataFee,
      ],
    );
    return rows.length > 0;
  }

  /** Its block is gone: it is on its way again. */
  async reopen(tx: WriterTx, transaction: OpenTransaction): Promise<boolean> {
    advanceTransaction(transaction.state, 'broadcast');
    const rows = await tx.query(
      `UPDATE chain_transactions SET state = 'broadcast', block_number = NULL, block_hash = NULL, gas_used = NULL, gas_price = NULL,
         data_fee = NULL, mined_at = NULL, next_run_at = now()
       WHERE id = $1 AND state = $2 AND block_hash = $3 RETURNING 1`,
      [transaction.id, transaction.state, transaction.block ? bytesOf(transaction.block.hash) : null],
    );
    return rows.length > 0;
  }

  /** Nothing more can change. Undefined when somebody else recorded it first. */
  async end(tx: WriterTx, transaction: OpenTransaction, state: 'final' | 'dropped'): Promise<Spent | undefined> {
    advanceTransaction(transaction.state, state);
    const [row] = await tx.query<{ cost: string; providers: Record<string, number> }>(
      `UPDATE chain_transactions SET state = $3, final_at = now() WHERE id = $1 AND state = $2
       RETURNING coalesce(gas_used * gas_price + data_fee, 0)::text AS cost, providers`,
      [transaction.id, transaction.state, state],
    );
    if (!row) return undefined;
    const providers = new Map(Object.entries(row.providers).map(([provider, count]) => [provider, BigInt(count)]));
    return { cost: big(row.cost), providers };
  }
}
