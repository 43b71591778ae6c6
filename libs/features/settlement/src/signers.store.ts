import type { Hex } from '@core/x402';
import { big, type Writer, type WriterTx } from '@platform/database';

/** The right to write for a relayer key, until it ends or somebody else takes it. */
export interface SignerLease {
  readonly signer: Hex;
  /** Raised by every lease: a write under an older number is refused. */
  readonly fence: bigint;
}

/** Longer than every call to the chain made under a lease. */
const LEASE_SECONDS = 10;

/** What nodes promise to keep for one sender without dropping some. */
const MOST_IN_FLIGHT = 16;

export const NO_FUNDS = 'no funds for gas';

export class SignersStore {
  constructor(private readonly db: Writer) {}

  /** The keys that have no row yet. */
  async unknown(chainId: number, signers: readonly Hex[]): Promise<Hex[]> {
    const rows = await this.db.query<{ address: Hex }>(
      `SELECT given.address FROM unnest($2::text[]) AS given (address)
       WHERE NOT EXISTS (SELECT FROM chain_signers s WHERE s.chain_id = $1 AND s.address = given.address)`,
      [chainId, signers],
    );
    return rows.map(({ address }) => address);
  }

  async add(chainId: number, signer: Hex, nextNonce: bigint): Promise<void> {
    await this.db.query(
      'INSERT INTO chain_signers (chain_id, address, next_nonce) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [chainId, signer, nextNonce],
    );
  }

  /** Leases an idle key, the one with the least under way; undefined when none of them is to be had. */
  async lease(chainId: number, signers: readonly Hex[], owner: string): Promise<SignerLease | undefined> {
    const rows = await this.db.query<{ address: Hex; fence: string }>(
      `WITH open AS (
         SELECT t.signer, count(*) AS transactions FROM chain_transactions t
         WHERE t.chain_id = $1 AND t.state IN ('signed', 'broadcast') GROUP BY t.signer
       ), idle AS (
         SELECT s.address FROM chain_signers s LEFT JOIN open ON open.signer = s.address
         WHERE s.chain_id = $1 AND s.address = ANY ($2) AND s.paused_reason IS NULL
           AND (s.lease_until IS NULL OR s.lease_until <= now()) AND coalesce(open.transactions, 0) < ${MOST_IN_FLIGHT}
         ORDER BY coalesce(open.transactions, 0), s.next_nonce, s.address LIMIT 1 FOR UPDATE OF s SKIP LOCKED
       )
       UPDATE chain_signers s SET lease_owner = $3, lease_until = now() + interval '${LEASE_SECONDS} s', fence = s.fence + 1
       FROM idle WHERE s.chain_id = $1 AND s.address = idle.address
       RETURNING s.address, s.fence::text`,
      [chainId, signers, owner],
    );
    return rows[0] && { signer: rows[0].address, fence: big(rows[0].fence) };
  }

  /** Leases one key, though it be paused or have much under way: for what it has sent already. */
  async leaseOne(chainId: number, signer: Hex, owner: string): Promise<SignerLease | undefined> {
    const rows = await this.db.query<{ fence: string }>(
      `UPDATE chain_signers SET lease_owner = $3, lease_until = now() + interval '${LEASE_SECONDS} s', fence = fence + 1
       WHERE chain_id = $1 AND address = $2 AND (lease_until IS NULL OR lease_until <= now())
       RETURNING fence::text`,
      [chainId, signer, owner],
    );
    return rows[0] && { signer, fence: big(rows[0].fence) };
  }

  async release(chainId: number, lease: SignerLease): Promise<void> {
    await this.db.query(
      'UPDATE chain_signers SET lease_owner = NULL, lease_until = NULL WHERE chain_id = $1 AND address = $2 AND fence = $3',
      [chainId, lease.signer, lease.fence],
    );
  }

  /** Takes the next nonce and locks the key's row until the transaction ends; undefined when the lease was lost. */
  async takeNonce(tx: WriterTx, chainId: number, lease: SignerLease): Promise<bigint | undefined> {
    const rows = await tx.query<{ nonce: string }>(
      `UPDATE chain_signers SET next_nonce = next_nonce + 1
       WHERE chain_id = $1 AND address = $2 AND fence = $3 AND lease_until > now() AND paused_reason IS NULL
       RETURNING (next_nonce - 1)::text AS nonce`,
      [chainId, lease.signer, lease.fence],
    );
    return rows[0] && big(rows[0].nonce);
  }

  /** Whether the lease still holds; if so the key's row stays locked until the transaction ends. */
  async holds(tx: WriterTx, chainId: number, lease: SignerLease): Promise<boolean> {
    const rows = await tx.query(
      'SELECT 1 FROM chain_signers WHERE chain_id = $1 AND address = $2 AND fence = $3 AND lease_until > now() FOR UPDATE',
      [chainId, lease.signer, lease.fence],
    );
    return rows.length > 0;
  }

  /** True when it was not paused before. */
  async pause(on: Writer | WriterTx, chainId: number, signer: Hex, reason: string): Promise<boolean> {
    const rows = await on.query(
      'UPDATE chain_signers SET paused_reason = $3 WHERE chain_id = $1 AND address = $2 AND paused_reason IS NULL RETURNING 1',
      [chainId, signer, reason],
    );
    return rows.length > 0;
  }

  async pausedFor(chainId: number, reason: string): Promise<Hex[]> {
    const rows = await this.db.query<{ address: Hex }>(
      'SELECT address FROM chain_signers WHERE chain_id = $1 AND paused_reason = $2',
      [chainId, reason],
    );
    return rows.map(({ address }) => address);
  }

  async resume(chainId: number, signer: Hex, reason: string): Promise<void> {
    await this.db.query(
      'UPDATE chain_signers SET paused_reason = NULL WHERE chain_id = $1 AND address = $2 AND paused_reason = $3',
      [chainId, signer, reason],
    );
  }
}
