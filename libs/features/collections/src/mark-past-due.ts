import { instant } from '@core/time';
import { big, type Database, type Writer } from '@platform/database';
import type { PastDueAccounts } from './past-due-accounts.js';
import { onItsWay } from './sweeps/statement-payments.store.js';

const PAGE = 200;

/**
 * Finds statements whose time is over and which nothing is on its way for: nobody collects them, or collecting did not work so far. Those
 * that a first try or a bank debit is under way for are left to it; and what is too small for a card, or being paid otherwise, is not held
 * against its account.
 */
export class MarkPastDue {
  constructor(
    private readonly db: Writer,
    private readonly database: Database,
    private readonly pastDue: PastDueAccounts,
  ) {}

  /** @returns how many became past due */
  async run(): Promise<number> {
    const rows = await this.db.query<{ id: string; provider: string; account: string; due_ms: string }>(
      `SELECT s.id, s.provider_id AS provider, s.account_id AS account, (extract(epoch FROM s.due_at) * 1000)::bigint::text AS due_ms
       FROM statements s LEFT JOIN billing_terms t ON t.account_id = s.account_id LEFT JOIN collections c ON c.statement_id = s.id
       WHERE s.state IN ('issued', 'part_paid') AND s.due_at < now() AND s.due - s.paid - s.credited - s.written_off > 0
         AND NOT ${onItsWay('s.id')}
         AND CASE WHEN c.id IS NULL THEN NOT coalesce(t.rails && ARRAY['card', 'bank'], false)
           ELSE c.state IN ('requires_action', 'dunning', 'reversed', 'halted') OR (c.state = 'waiting' AND c.reason = 'too_large') END
       ORDER BY s.due_at LIMIT ${PAGE}`,
    );
    for (const { id, provider, account, due_ms } of rows) {
      const dueAt = instant(Number(big(due_ms)));
      await this.database.forProvider(provider, (tx) => this.pastDue.late(tx, { id, provider, account, dueAt }));
    }
    return rows.length;
  }
}
