import type { BookCheck } from './book-check.js';

/** Balance of a ledger account on its credit side, by account and detail. */
const BOOKED = `(SELECT la.account_id, la.asset, la.code, la.detail, sum(CASE WHEN t.credit_id = la.id THEN t.amount ELSE -t.amount END) AS balance
  FROM ledger_accounts la JOIN transfers t ON la.id IN (t.debit_id, t.credit_id) WHERE la.code IN ('2010', '9015') GROUP BY 1, 2, 3, 4)`;

/** Invariants of prepaid value. */
export const WALLET_CHECKS: readonly BookCheck[] = [
  {
    invariant: 'L5',
    says: 'no wallet is below what was taken on credit; what it has and holds is the sum of its grants and open holds',
    counted: 'SELECT count(*)::text AS n FROM wallets',
    faults: `SELECT 'the wallet of ' || w.account_id || ' has ' || w.posted || ' and holds ' || w.held || '; its grants have ' || g.remaining || ', its holds ' || h.open AS fault
      FROM wallets w,
        LATERAL (SELECT coalesce(sum(remaining), 0) AS remaining, coalesce(sum(held), 0) AS held FROM grants
          WHERE account_id = w.account_id AND asset = w.asset) g,
        LATERAL (SELECT coalesce(sum(amount), 0) AS open, coalesce(sum(credit), 0) AS credit FROM holds
          WHERE account_id = w.account_id AND asset = w.asset AND state = 'held') h
      WHERE w.posted <> g.remaining - w.owed OR w.held <> h.open OR w.credit_held <> h.credit OR w.held <> g.held + w.credit_held
        OR w.posted - w.held < -(w.owed + w.credit_held)`,
  },
  {
    invariant: 'L3',
    says: 'what every grant has left is what the ledger says of it, and what it gave is its lineage',
    counted: 'SELECT count(*)::text AS n FROM grants',
    faults: `SELECT 'grant ' || g.id || ' has ' || g.remaining || ' left, the ledger says ' || coalesce(b.balance, 0) AS fault
      FROM grants g LEFT JOIN ${BOOKED} b ON b.account_id = g.account_id AND b.asset = g.asset AND b.detail = g.id
        AND b.code = CASE g.kind WHEN 'paid' THEN '2010' ELSE '9015' END
      WHERE g.remaining <> coalesce(b.balance, 0)
      UNION ALL
      SELECT 'ledger account ' || b.code || ' ' || b.detail || ' of ' || b.account_id || ' is of no grant' FROM ${BOOKED} b
      WHERE b.balance <> 0 AND NOT EXISTS (SELECT FROM grants g WHERE g.id = b.detail AND g.account_id = b.account_id)
      UNION ALL
      SELECT 'grant ' || g.id || ' gave ' || g.consumed || ', its lineage says ' || coalesce(l.sum, 0)
      FROM grants g LEFT JOIN (SELECT grant_id, sum(CASE kind WHEN 'reversal' THEN -amount ELSE amount END) AS sum
        FROM grant_consumptions GROUP BY 1) l ON l.grant_id = g.id
      WHERE g.consumed <> coalesce(l.sum, 0)`,
  },
  {
    invariant: 'L6',
    says: 'every hold is charged once if at all: its transfer is what it was charged, its usage is in the log once',
    counted: "SELECT count(*)::text AS n FROM holds WHERE state <> 'held'",
    faults: `SELECT 'hold ' || h.id || ' (' || h.state || ') is charged ' || coalesce(h.captured, 0) || ', its transfer says ' || coalesce(t.amount, 0) AS fault
      FROM holds h LEFT JOIN transfers t ON t.provider_id = h.provider_id AND t.posting_key = 'capture:' || h.id || ':charge'
      WHERE coalesce(h.captured, 0) <> coalesce(t.amount, 0)
      UNION ALL
      SELECT 'hold ' || h.id || ' (' || h.state || ') is in the usage log ' || coalesce(s.n, 0) || ' times'
      FROM holds h LEFT JOIN (SELECT item ->> 4 AS hold, count(*) AS n FROM usage_log, json_array_elements(body::json -> 'items') AS item
        WHERE kind = 'sold' GROUP BY 1) s ON s.hold = h.id
      WHERE h.meter_id IS NOT NULL AND coalesce(s.n, 0) <> CASE h.state WHEN 'captured' THEN 1 ELSE 0 END`,
  },
  {
    invariant: 'L7',
    says: 'no hold is charged beyond what it set aside, or taken back beyond what it was charged; refunds are within their grants',
    counted: 'SELECT count(*)::text AS n FROM holds',
    faults: `SELECT 'hold ' || id || ' of ' || amount || ' is charged ' || captured || ', taken back ' || reversed AS fault FROM holds
      WHERE captured > amount OR reversed > coalesce(captured, 0)
      UNION ALL
      SELECT 'grant ' || g.id || ' is refunded ' || g.refunded || ', its refunds sum to ' || r.value FROM grants g
        JOIN LATERAL (SELECT coalesce(sum(value), 0) AS value FROM refunds WHERE grant_id = g.id) r ON true
      WHERE g.refunded <> r.value`,
  },
];
