import type { BookCheck } from './book-check.js';

/** Debits less credits of ledger accounts by provider and asset, of some codes and postings. */
const moved = (codes: readonly string[], postings: string): string =>
  `(SELECT la.provider_id, la.asset, sum(CASE WHEN t.debit_id = la.id THEN t.amount ELSE -t.amount END) AS sum
    FROM ledger_accounts la JOIN transfers t ON la.id IN (t.debit_id, t.credit_id)
    WHERE la.code IN (${codes.map((code) => `'${code}'`).join(', ')}) AND ${postings} GROUP BY 1, 2)`;

/** Gross receipts are posted when a payment succeeds; all else at Stripe by the movement that Stripe's books have of it. */
const RECEIVED = "(t.entry LIKE 'collect:%' OR t.entry LIKE 'checkout:%')";

/** Invariants of cards and banks: what Stripe's books say is what ours say, and nothing is collected twice. */
export const STRIPE_CHECKS: readonly BookCheck[] = [
  {
    invariant: 'R1',
    says: 'what a provider has at Stripe, and had from there, is what was received and what Stripe’s movements took and gave',
    counted: 'SELECT count(*)::text AS n FROM stripe_movements WHERE provider_id IS NOT NULL',
    faults: `SELECT 'provider ' || provider_id || ' has ' || coalesce(l.sum, 0) || ' of ' || asset || ' at Stripe beside what was received, its movements say ' || coalesce(m.sum, 0) AS fault
      FROM ${moved(['1010', '1015', '1030'], `NOT ${RECEIVED}`)} l FULL JOIN (
        SELECT provider_id, 'iso4217:' || upper(currency) AS asset, sum(net - CASE WHEN category = 'charge' THEN amount ELSE 0 END) AS sum
        FROM stripe_movements WHERE provider_id IS NOT NULL AND category NOT IN ('payout', 'payout_reversal') GROUP BY 1, 2) m
        USING (provider_id, asset)
      WHERE coalesce(l.sum, 0) <> coalesce(m.sum, 0)`,
  },
  {
    invariant: 'R2',
    says: 'what Stripe charged for a provider was received in its books',
    counted: "SELECT count(*)::text AS n FROM stripe_movements WHERE provider_id IS NOT NULL AND category = 'charge'",
    faults: `SELECT 'provider ' || m.provider_id || ' was paid ' || m.sum || ' of ' || m.asset || ' by Stripe’s books and ' || coalesce(l.sum, 0) || ' by ours' AS fault
      FROM (SELECT provider_id, 'iso4217:' || upper(currency) AS asset, sum(amount) AS sum
        FROM stripe_movements WHERE provider_id IS NOT NULL AND category = 'charge' GROUP BY 1, 2) m
        LEFT JOIN ${moved(['1015'], RECEIVED)} l USING (provider_id, asset)
      WHERE m.sum > coalesce(l.sum, 0)`,
  },
  {
    invariant: 'R3',
    says: 'a statement is collected at most once: one success that stands, and one attempt under way',
    counted: 'SELECT count(*)::text AS n FROM collection_attempts',
    faults: `SELECT 'statement ' || statement_id || ' was collected ' || count(*) FILTER (WHERE state IN ('succeeded', 'disputed')) || ' times, with '
        || count(*) FILTER (WHERE state IN ('prepared', 'created', 'processing', 'requires_action', 'refused', 'halted')) || ' attempts under way' AS fault
      FROM collection_attempts GROUP BY statement_id
      HAVING count(*) FILTER (WHERE state IN ('succeeded', 'disputed')) > 1
        OR count(*) FILTER (WHERE state IN ('prepared', 'created', 'processing', 'requires_action', 'refused', 'halted')) > 1`,
  },
  {
    invariant: 'R4',
    says: 'a page on which balance was bought gave it once, and a page that was not paid gave none',
    counted: "SELECT count(*)::text AS n FROM checkouts WHERE purpose = 'topup'",
    faults: `SELECT 'page ' || c.id || ' (' || c.state || ') of ' || c.amount || ' gave ' || g.sum AS fault
      FROM checkouts c, LATERAL (SELECT coalesce(sum(amount), 0) AS sum FROM grants WHERE funding = c.id AND account_id = c.account_id) g
      WHERE c.purpose = 'topup' AND g.sum <> CASE WHEN c.state = 'complete' THEN c.amount ELSE 0 END`,
  },
];
