import type { BookCheck } from './book-check.js';

/** Invariants of issued statements and of credit lines. */
export const STATEMENT_CHECKS: readonly BookCheck[] = [
  {
    invariant: 'M5',
    says: 'every statement opens and closes at what the ledger says of its instants, and its lines are those it was issued with',
    counted: 'SELECT count(*)::text AS n FROM statements',
    faults: `SELECT 'statement ' || s.series || ' ' || s.number || ' leads from ' || s.opening || ' to ' || s.closing || ', the ledger from ' || o.owed || ' to ' || c.owed AS fault
      FROM statements s, LATERAL (SELECT receivable_balance_before(s.account_id, s.asset, s.period_start) AS owed) o,
        LATERAL (SELECT receivable_balance_before(s.account_id, s.asset, s.period_end) AS owed) c
      WHERE s.opening <> o.owed OR s.closing <> c.owed
      UNION ALL
      SELECT 'statement ' || s.series || ' ' || s.number || ' has other lines than it was issued with'
      FROM statements s, LATERAL draw_up_statements(s.provider_id, jsonb_build_array(jsonb_build_object('account', s.account_id, 'asset', s.asset,
        'start', s.period_start, 'end', s.period_end))) d
      WHERE d.content_hash <> s.content_hash`,
  },
  {
    invariant: 'S1',
    says: 'the numbers of statements have no gap, and the periods of an account do not overlap',
    counted: 'SELECT count(*)::text AS n FROM statement_series',
    faults: `SELECT 'series ' || s.series || ' of ' || s.provider_id || ' gave ' || s.last || ' numbers, there are ' || i.n || ' up to ' || i.highest AS fault
      FROM statement_series s, LATERAL (SELECT count(*) AS n, coalesce(max(number), 0) AS highest FROM statements
        WHERE provider_id = s.provider_id AND series = s.series) i
      WHERE i.n <> s.last OR i.highest <> s.last
      UNION ALL
      SELECT 'statement ' || series || ' ' || number || ' is of no series' FROM statements s
      WHERE NOT EXISTS (SELECT FROM statement_series r WHERE r.provider_id = s.provider_id AND r.series = s.series)
      UNION ALL
      SELECT 'statement ' || n.number || ' of ' || n.account_id || ' ends after the next one begins'
      FROM (SELECT number, account_id, period_end, lead(period_start) OVER (PARTITION BY account_id ORDER BY period_start) AS next FROM statements) n
      WHERE n.next < n.period_end
      UNION ALL
      SELECT 'statement ' || s.number || ' of ' || s.account_id || ' is for a period whose books are open' FROM statements s
      WHERE NOT EXISTS (SELECT FROM closed_books b WHERE b.account_id = s.account_id AND b.closed_until >= s.period_end)`,
  },
  {
    invariant: 'S2',
    says: 'what is open on the statements of an account is what it owes as invoiced and as being paid; each was billed once, with what it asks for',
    counted: 'SELECT count(*)::text AS n FROM statements WHERE due > 0',
    faults: `SELECT 'statements of ' || account_id || ' have ' || coalesce(o.open, 0) || ' open, the ledger says ' || coalesce(b.balance, 0) AS fault
      FROM (SELECT account_id, asset, sum(due - paid - credited - written_off) AS open FROM statements WHERE state <> 'voided' GROUP BY 1, 2) o
      FULL JOIN (SELECT a.account_id, a.asset, sum(CASE WHEN t.debit_id = a.id THEN t.amount ELSE -t.amount END) AS balance
        FROM ledger_accounts a JOIN transfers t ON a.id IN (t.debit_id, t.credit_id) WHERE a.code IN ('1100', '1120') GROUP BY 1, 2) b
        USING (account_id, asset)
      WHERE coalesce(o.open, 0) <> coalesce(b.balance, 0)
      UNION ALL
      SELECT 'statement ' || s.id || ' asks for ' || s.due || ', its bill says ' || coalesce(t.amount, 0)
      FROM statements s LEFT JOIN transfers t ON t.provider_id = s.provider_id AND t.posting_key = 'bill:' || s.id || ':due'
      WHERE s.due <> coalesce(t.amount, 0)
      UNION ALL
      SELECT 'statement ' || id || ' is ' || state || ' with ' || (due - paid - credited - written_off) || ' open' FROM statements
      WHERE state <> 'voided' AND (state IN ('paid', 'uncollectible')) <> (due - paid - credited - written_off = 0)`,
  },
  {
    invariant: 'S3',
    says: 'what an account owes on credit is its calls that are not billed and what is due beside them, which is what the ledger says',
    counted: 'SELECT count(*)::text AS n FROM credit_lines',
    faults: `SELECT 'the line of ' || l.account_id || ' says ' || (w.owed + l.due) || ' (' || w.owed || ' for calls), the ledger ' || r.balance AS fault
      FROM credit_lines l JOIN wallets w USING (account_id, asset), LATERAL (SELECT receivable_balance(l.account_id, l.asset) AS balance) r
      WHERE w.owed + l.due <> r.balance
      UNION ALL
      SELECT 'the wallet of ' || l.account_id || ' may owe ' || w.credit_limit || ', its line leaves ' || (CASE WHEN l.restricted THEN 0 ELSE l.credit_limit END - l.due)
      FROM credit_lines l JOIN wallets w USING (account_id, asset)
      WHERE w.credit_limit <> CASE WHEN l.restricted THEN 0 ELSE l.credit_limit END - l.due`,
  },
];
