import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { Writer } from '@platform/database';

/** Statements taken at once. */
const PAGE = 1_000;

const OPEN = 's.due - s.paid - s.credited - s.written_off > 0';

/**
 * Opens the collection of every statement that is due, asks for something and may be collected by card or bank. Set-based, and harmless
 * to repeat: a statement has one collection. With no due days a statement is due when it is issued.
 */
export class OpenCollections {
  constructor(
    private readonly db: Writer,
    private readonly ids: IdSource,
  ) {}

  /** @returns how many were opened, or opened again */
  async run(): Promise<number> {
    let opened = await this.#again();
    for (;;) {
      const found = await this.#page();
      opened += found;
      if (found < PAGE) return opened;
    }
  }

  async #page(): Promise<number> {
    const due = await this.db.query<{ id: string }>(
      `SELECT s.id FROM statements s JOIN billing_terms t ON t.account_id = s.account_id
       WHERE s.state IN ('issued', 'processing', 'part_paid', 'overdue') AND s.due_at <= now() AND ${OPEN} AND t.rails && ARRAY['card', 'bank']
         AND NOT EXISTS (SELECT FROM collections c WHERE c.statement_id = s.id)
       ORDER BY s.due_at, s.id LIMIT ${PAGE}`,
    );
    if (due.length === 0) return 0;
    // In one order, as another worker may be opening the same: each waits for the other's rows only when it is behind.
    await this.db.query(
      `INSERT INTO collections (id, provider_id, account_id, statement_id, asset, next_run_at)
       SELECT made.id, s.provider_id, s.account_id, s.id, s.asset, now() FROM unnest($1::text[], $2::text[]) AS made (id, statement)
         JOIN statements s ON s.id = made.statement
       ORDER BY s.id
       ON CONFLICT (statement_id) DO NOTHING`,
      [due.map(() => this.ids.next(ID_PREFIXES.collection)), due.map(({ id }) => id)],
    );
    return due.length;
  }

  /** A statement that was paid otherwise, and is owed again. */
  async #again(): Promise<number> {
    const rows = await this.db.query(
      `UPDATE collections c SET state = 'open', next_run_at = now(), version = c.version + 1, changed_at = now() FROM statements s
       WHERE s.id = c.statement_id AND c.state = 'closed' AND s.state IN ('issued', 'part_paid', 'overdue') AND ${OPEN} RETURNING c.id`,
    );
    return rows.length;
  }
}
