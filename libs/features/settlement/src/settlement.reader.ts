import type { Writer } from '@platform/database';

/** How settlement stands, for health and metrics. */
interface SettlementStanding {
  /** By state: signed, broadcast, mined, reverted. */
  readonly openTransactions: Readonly<Record<string, number>>;
  /** By state: served, settling, included. */
  readonly openPayments: Readonly<Record<string, number>>;
  /** Age of the oldest served payment that is not settled or failed; 0 when there is none. */
  readonly oldestUnsettledSeconds: number;
  readonly pausedSigners: readonly { readonly signer: string; readonly reason: string }[];
  /** Jobs staged and not handed to the queue yet. */
  readonly staged: number;
}

export class SettlementReader {
  constructor(private readonly db: Writer) {}

  /** Whether anything sent or seen on the chain still has to be followed. */
  async hasOpen(chainId: number): Promise<boolean> {
    const [row] = await this.db.query<{ open: boolean }>(
      `SELECT EXISTS (SELECT FROM chain_transactions WHERE chain_id = $1 AND state IN ('signed', 'broadcast', 'mined', 'reverted'))
         OR EXISTS (SELECT FROM payments WHERE chain_id = $1 AND state = 'included')
         OR EXISTS (SELECT FROM chain_signers WHERE chain_id = $1 AND paused_reason IS NOT NULL) AS open`,
      [chainId],
    );
    return row?.open ?? false;
  }

  async standing(chainId: number): Promise<SettlementStanding> {
    const counts = (rows: { state: string; count: number }[]) =>
      Object.fromEntries(rows.map(({ state, count }) => [state, count]));
    const transactions = await this.db.query<{ state: string; count: number }>(
      `SELECT state, count(*)::int AS count FROM chain_transactions
       WHERE chain_id = $1 AND state IN ('signed', 'broadcast', 'mined', 'reverted') GROUP BY state`,
      [chainId],
    );
    const payments = await this.db.query<{ state: string; count: number; oldest: number }>(
      `SELECT state, count(*)::int AS count, extract(epoch FROM now() - min(served_at))::int AS oldest FROM payments
       WHERE chain_id = $1 AND state IN ('served', 'settling', 'included') GROUP BY state`,
      [chainId],
    );
    const pausedSigners = await this.db.query<{ signer: string; reason: string }>(
      'SELECT address AS signer, paused_reason AS reason FROM chain_signers WHERE chain_id = $1 AND paused_reason IS NOT NULL',
      [chainId],
    );
    const [outbox] = await this.db.query<{ staged: number }>('SELECT count(*)::int AS staged FROM outbox');
    return {
      openTransactions: counts(transactions),
      openPayments: counts(payments),
      oldestUnsettledSeconds: Math.max(0, ...payments.map(({ oldest }) => oldest)),
      pausedSigners,
      staged: outbox?.staged ?? 0,
    };
  }
}
