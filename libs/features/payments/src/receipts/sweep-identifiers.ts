import type { Writer } from '@platform/database';

const PAGE = 1_000;

/**
 * Forgets identifiers a day after their payment last changed. One whose payment is under way is kept, however long that
 * takes. Of ways to pay other than a signed transfer no end is known here: theirs are kept for a week.
 */
export class SweepIdentifiers {
  constructor(private readonly writer: Writer) {}

  /** How many were forgotten. */
  async run(): Promise<number> {
    for (let swept = 0; ;) {
      // The age is asked for twice: an identifier taken anew between the two has a new one.
      const rows = await this.writer.query(
        `DELETE FROM payment_identifiers k
         WHERE k.taken_at < now() - interval '24 hours' AND (k.provider_id, k.subject, k.identifier) IN (
           SELECT o.provider_id, o.subject, o.identifier
           FROM payment_identifiers o LEFT JOIN payments p ON p.id = o.payment_id
           WHERE o.taken_at < now() - interval '24 hours' AND CASE
             WHEN p.id IS NULL THEN o.taken_at < now() - interval '7 days'
             ELSE p.state IN ('voided', 'settled', 'failed', 'recovered') AND
               greatest(p.served_at, p.voided_at, p.included_at, p.settled_at, p.failed_at) < now() - interval '24 hours' END
           ORDER BY o.taken_at LIMIT $1)
         RETURNING 1`,
        [PAGE],
      );
      swept += rows.length;
      if (rows.length < PAGE) return swept;
    }
  }
}
