import type { BalanceMovement } from '@core/collections';
import { formatInstant, type Instant, instant } from '@core/time';
import { big, type Writer, type WriterTx } from '@platform/database';

/** A movement as it was kept: whose it is. */
export interface Imported {
  readonly id: string;
  /** Undefined: it names no account of ours, and there is more than one provider that it could be of. */
  readonly provider: string | undefined;
  readonly account: string | undefined;
}

/** All SQL of Stripe's own books. */
export class MovementsStore {
  /** When the newest that was imported was made. */
  async latest(writer: Writer): Promise<Instant | undefined> {
    const [row] = await writer.query<{ latest: Date | null }>('SELECT max(created_at) AS latest FROM stripe_movements');
    return row?.latest ? instant(row.latest.getTime()) : undefined;
  }

  async known(writer: Writer, ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await writer.query<{ id: string }>('SELECT id FROM stripe_movements WHERE id = ANY ($1::text[])', [
      [...ids],
    ]);
    return new Set(rows.map(({ id }) => id));
  }

  /**
   * Undefined when it is there already. Its provider is that of the account; what is about no payment, such as
   * a fee of Stripe's own, is of the only one that has customers there.
   */
  async insert(tx: WriterTx, movement: BalanceMovement): Promise<Imported | undefined> {
    const [row] = await tx.query<{ id: string; provider_id: string | null; account_id: string | null }>(
      `INSERT INTO stripe_movements (id, provider_id, account_id, category, currency, amount, fee, net, source, is_available, available_on, created_at)
       SELECT $1, coalesce(a.provider_id, CASE WHEN named.account IS NULL AND $12::text IS NULL AND $3 NOT IN ('charge', 'refund', 'dispute') THEN
           (SELECT min(c.provider_id) FROM stripe_customers c HAVING count(DISTINCT c.provider_id) = 1) END),
         a.id, $3, $4, $5, $6, $7, $8, $9, $10, $11
       FROM (SELECT coalesce($2, (SELECT m.account_id FROM stripe_movements m WHERE m.source = $12 AND m.account_id IS NOT NULL LIMIT 1)) AS account) named
         LEFT JOIN accounts a ON a.id = named.account
       ON CONFLICT (id) DO NOTHING RETURNING id, provider_id, account_id`,
      [
        movement.id,
        movement.account ?? null,
        movement.category,
        movement.currency,
        ...[movement.amount, movement.fee, movement.net].map(String),
        movement.source ?? null,
        movement.isAvailable,
        formatInstant(movement.availableOn),
        formatInstant(movement.createdAt),
        movement.charge ?? null,
      ],
    );
    return row && { id: row.id, provider: row.provider_id ?? undefined, account: row.account_id ?? undefined };
  }

  /** It has no place in a provider's books. */
  async disown(tx: WriterTx, id: string): Promise<void> {
    await tx.query('UPDATE stripe_movements SET provider_id = NULL WHERE id = $1', [id]);
  }

  async carried(tx: WriterTx, payout: string, ids: readonly string[]): Promise<void> {
    await tx.query('UPDATE stripe_movements SET payout = $1 WHERE id = ANY ($2::text[]) AND payout IS NULL', [
      payout,
      [...ids],
    ]);
  }

  /** What of a payout is each provider's. */
  async sharesOf(tx: WriterTx, payout: string): Promise<{ provider: string; net: bigint }[]> {
    const rows = await tx.query<{ provider_id: string; net: string }>(
      `SELECT provider_id, sum(net)::text AS net FROM stripe_movements
       WHERE payout = $1 AND provider_id IS NOT NULL GROUP BY provider_id HAVING sum(net) <> 0 ORDER BY provider_id`,
      [payout],
    );
    return rows.map(({ provider_id: provider, net }) => ({ provider, net: big(net) }));
  }

  async dueToBeAvailable(
    writer: Writer,
    now: Instant,
    most: number,
  ): Promise<{ id: string; provider: string | undefined }[]> {
    const rows = await writer.query<{ id: string; provider_id: string | null }>(
      `SELECT id, provider_id FROM stripe_movements WHERE NOT is_available AND available_on <= $1::timestamptz
       ORDER BY available_on LIMIT $2`,
      [formatInstant(now), most],
    );
    return rows.map(({ id, provider_id: provider }) => ({ id, provider: provider ?? undefined }));
  }

  /** Whether it was not yet. */
  async available(tx: WriterTx, id: string): Promise<boolean> {
    const rows = await tx.query(
      'UPDATE stripe_movements SET is_available = true WHERE id = $1 AND NOT is_available RETURNING id',
      [id],
    );
    return rows.length === 1;
  }
}
