import type { BookCheck } from './book-check.js';

/** The transfer of a posting key. */
const posted = (key: string): string =>
  `(SELECT t.amount FROM transfers t WHERE t.provider_id = p.provider_id AND t.posting_key = ${key})`;

/** Balance of the ledger accounts of a code on their credit side, by account. */
const booked = (
  code: string,
): string => `(SELECT la.account_id, la.asset, sum(CASE WHEN t.credit_id = la.id THEN t.amount ELSE -t.amount END) AS balance
  FROM ledger_accounts la JOIN transfers t ON la.id IN (t.debit_id, t.credit_id) WHERE la.code = '${code}' GROUP BY 1, 2)`;

/** Invariants of what we sell ourselves: balance that is bought and refunds that are sent, statements that are paid. */
export const TOP_UP_CHECKS: readonly BookCheck[] = [
  {
    invariant: 'L4',
    says: 'each payment that buys balance, pays a statement or sends balance back has exactly the transfers of its state, each of its amount',
    counted: "SELECT count(*)::text AS n FROM payments WHERE origin IN ('topup', 'statement', 'refund')",
    faults: `SELECT 'payment ' || p.id || ' (' || p.state || ') has the wrong transfer ' || e.key AS fault
      FROM payments p, LATERAL (VALUES
        ('capture:' || p.id || ':payment', p.origin <> 'refund' AND p.state NOT IN ('reserved', 'voided')),
        ('settle:' || p.id || ':receipt', p.origin <> 'refund' AND p.state = 'settled'),
        ('fail:' || p.id || ':return', p.origin <> 'refund' AND p.state = 'failed'),
        ('settle:' || p.id || ':refund', p.origin = 'refund' AND p.state = 'settled'),
        ('capture:' || p.id || ':charge', false),
        ('fail:' || p.id || ':loss', false)) AS e (key, expected)
      WHERE p.origin IN ('topup', 'statement', 'refund') AND CASE WHEN e.expected THEN p.charged END IS DISTINCT FROM ${posted('e.key')}`,
  },
  {
    invariant: 'T1',
    says: 'each captured payment for balance bought it once: after finality, or before it by a grant that stays only if it is paid',
    counted: 'SELECT count(*)::text AS n FROM topups',
    faults: `SELECT 'payment ' || p.id || ' (' || p.state || ') is captured and has no top-up' AS fault FROM payments p
      WHERE p.origin = 'topup' AND p.state NOT IN ('reserved', 'voided') AND NOT EXISTS (SELECT FROM topups t WHERE t.payment_id = p.id)
      UNION ALL
      SELECT 'top-up ' || t.id || ' (' || t.state || ') of ' || t.amount || ' has a payment (' || p.state || ') of ' || coalesce(p.charged, 0)
        || ' and grants of ' || g.granted
      FROM topups t JOIN payments p ON p.id = t.payment_id,
        LATERAL (SELECT coalesce(sum(amount), 0) AS granted, count(*) AS n, min(id) AS id FROM grants WHERE funding = t.id AND account_id = t.account_id AND kind = 'paid' AND id = t.grant_id) g
      WHERE p.origin <> 'topup' OR p.charged IS DISTINCT FROM t.amount OR p.account_id <> t.account_id
        OR (t.state = 'credited' AND p.state <> 'settled') OR (t.state = 'failed' AND p.state <> 'failed')
        OR (t.grant_id IS NOT NULL AND g.granted <> t.amount) OR (t.grant_id IS NULL AND t.state IN ('credited', 'provisional'))`,
  },
  {
    invariant: 'T2',
    says: 'what is lost by balance that was never paid is what was used of it, in the ledger too',
    counted: "SELECT count(*)::text AS n FROM topups WHERE state = 'failed' AND grant_id IS NOT NULL",
    faults: `SELECT 'top-up ' || p.id || ' lost ' || p.lost || ', its grant gave ' || (g.consumed + g.expired) || ', the ledger says ' || coalesce(l.lost, 0) AS fault
      FROM topups p JOIN grants g ON g.id = p.grant_id LEFT JOIN LATERAL (
        SELECT sum(CASE WHEN t.posting_key LIKE '%:loss' THEN t.amount ELSE -t.amount END) AS lost FROM transfers t
        WHERE t.provider_id = p.provider_id AND t.reference = p.id AND t.posting_key LIKE 'lose:%') l ON true
      WHERE p.state = 'failed' AND (p.lost <> g.consumed + g.expired OR p.lost <> coalesce(l.lost, 0))`,
  },
  {
    invariant: 'T3',
    says: 'what is owed back is what refunds owe; each is sent by at most one payment, which pays it',
    counted: 'SELECT count(*)::text AS n FROM refunds',
    faults: `SELECT 'account ' || account_id || ' is owed ' || coalesce(b.balance, 0) || ', its refunds say ' || coalesce(r.owed, 0) AS fault
      FROM ${booked('2040')} b FULL JOIN (SELECT account_id, asset, sum(owed) AS owed FROM (
          SELECT account_id, asset, cash AS owed FROM refunds WHERE state IN ('owed', 'sending')
          UNION ALL
          SELECT account_id, 'iso4217:USD', cents FROM card_refunds WHERE state <> 'failed'
          UNION ALL
          SELECT account_id, 'iso4217:' || upper(currency), amount FROM stripe_movements
          WHERE category IN ('refund', 'refund_failure') AND provider_id IS NOT NULL) o GROUP BY 1, 2) r
        USING (account_id, asset)
      WHERE coalesce(b.balance, 0) <> coalesce(r.owed, 0)
      UNION ALL
      SELECT 'refund ' || r.id || ' (' || r.state || ') of ' || r.cash || ' is sent by a payment (' || coalesce(p.state, 'none') || ') of ' || coalesce(p.charged, 0)
      FROM refunds r LEFT JOIN payments p ON p.id = r.payment_id
      WHERE (r.state = 'paid') <> (p.state IS NOT DISTINCT FROM 'settled') OR (r.state = 'sending' AND (p.state IS NULL OR p.state = 'failed'))
        OR (p.id IS NOT NULL AND (p.origin <> 'refund' OR p.charged <> r.cash OR p.account_id <> r.account_id))`,
  },
  {
    invariant: 'T4',
    says: 'each captured payment for a statement pays it once: what the statement took is posted, and the rest is received and unapplied',
    counted: 'SELECT count(*)::text AS n FROM statement_payments',
    faults: `SELECT 'payment ' || p.id || ' (' || p.state || ') is captured and pays no statement' AS fault FROM payments p
      WHERE p.origin = 'statement' AND p.state NOT IN ('reserved', 'voided') AND NOT EXISTS (SELECT FROM statement_payments s WHERE s.payment_id = p.id)
      UNION ALL
      SELECT 'statement payment ' || p.id || ' (' || p.state || ') of ' || p.amount || ' has a payment (' || y.state || ') of ' || coalesce(y.charged, 0)
        || ', took ' || p.applied || ', the ledger says ' || coalesce(${posted("'apply:' || p.id || ':applied'")}, 0)
      FROM statement_payments p JOIN payments y ON y.id = p.payment_id JOIN statements s ON s.id = p.statement_id
      WHERE y.origin <> 'statement' OR y.charged IS DISTINCT FROM p.amount OR y.account_id <> p.account_id OR s.account_id <> p.account_id
        OR y.asset_id <> p.asset OR (p.state = 'applied' AND y.state <> 'settled') OR (p.state = 'failed' AND y.state <> 'failed')
        OR p.applied <> coalesce(${posted("'apply:' || p.id || ':applied'")}, 0)`,
  },
];
