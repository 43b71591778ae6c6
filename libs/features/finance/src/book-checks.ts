import type { BookCheck } from './book-check.js';
import { CHANNEL_CHECKS } from './channel-checks.js';
import { STATEMENT_CHECKS } from './statement-checks.js';
import { STRIPE_CHECKS } from './stripe-checks.js';
import { TOP_UP_CHECKS } from './topup-checks.js';
import { WALLET_CHECKS } from './wallet-checks.js';

const PAID = "('served', 'settling', 'included', 'settled', 'failed', 'recovered')";

/** Usage sold through the gate, by payment. */
const SOLD =
  "(SELECT item ->> 4 AS payment FROM usage_log, json_array_elements(body::json -> 'items') AS item WHERE kind = 'sold') sold";

export const BOOK_CHECKS: readonly BookCheck[] = [
  ...CHANNEL_CHECKS,
  ...WALLET_CHECKS,
  ...TOP_UP_CHECKS,
  ...STRIPE_CHECKS,
  {
    invariant: 'L1',
    says: 'every transfer moves a positive amount of one asset between two ledger accounts of that asset and provider',
    counted: 'SELECT count(*)::text AS n FROM transfers',
    faults: `SELECT 'transfer ' || t.id || ' is not balanced' AS fault
      FROM transfers t LEFT JOIN ledger_accounts d ON d.id = t.debit_id LEFT JOIN ledger_accounts c ON c.id = t.credit_id
      WHERE NOT (t.amount > 0) OR t.debit_id = t.credit_id OR d.id IS NULL OR c.id IS NULL OR d.asset <> t.asset OR c.asset <> t.asset
        OR d.provider_id <> t.provider_id OR c.provider_id <> t.provider_id`,
  },
  {
    invariant: 'L2',
    says: 'no service role may change or delete transfers or ledger accounts, and the guards are on',
    counted: "SELECT count(*)::text AS n FROM pg_roles WHERE rolname LIKE 'farebox\\_%'",
    faults: `SELECT r.rolname || ' may ' || p.verb || ' ' || t.name AS fault
      FROM pg_roles r, (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS p (verb), (VALUES ('transfers'), ('ledger_accounts')) AS t (name)
      WHERE r.rolname LIKE 'farebox\\_%' AND r.rolname <> 'farebox_owner' AND has_table_privilege(r.rolname, t.name, p.verb)
      UNION ALL
      SELECT r.rolname || ' passes by row-level security' FROM pg_roles r
      WHERE r.rolname IN ('farebox_app', 'farebox_writer', 'farebox_auditor', 'farebox_queue') AND (r.rolsuper OR r.rolbypassrls)
      UNION ALL
      SELECT 'trigger append_only of ' || t.name || ' is missing or off' FROM (VALUES ('transfers'), ('ledger_accounts')) AS t (name)
      WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.name::regclass AND g.tgname = 'append_only' AND g.tgenabled IN ('O', 'A'))`,
  },
  {
    invariant: 'L3',
    says: 'every stored balance equals the sum of its transfers',
    counted: 'SELECT count(*)::text AS n FROM ledger_balances',
    faults: `SELECT 'balance of ' || b.ledger_account_id || ' is stored as ' || b.debits || '/' || b.credits || ', its transfers sum to ' || s.debits || '/' || s.credits AS fault
      FROM ledger_balances b, LATERAL (SELECT
        coalesce((SELECT sum(t.amount) FROM transfers t WHERE t.debit_id = b.ledger_account_id AND t.id <= b.through), 0) AS debits,
        coalesce((SELECT sum(t.amount) FROM transfers t WHERE t.credit_id = b.ledger_account_id AND t.id <= b.through), 0) AS credits) s
      WHERE b.debits <> s.debits OR b.credits <> s.credits`,
  },
  {
    invariant: 'L4',
    says: 'one posting key, one transfer; each payment has exactly the transfers of its state',
    counted: 'SELECT count(*)::text AS n FROM payments',
    faults: `SELECT 'posting key ' || posting_key || ' posted ' || count(*) || ' times' AS fault FROM transfers GROUP BY provider_id, posting_key HAVING count(*) > 1
      UNION ALL
      SELECT 'payment ' || p.id || ' (' || p.state || ') has transfers ' || coalesce(s.keys, 'none') || ', should have ' || coalesce(e.keys, 'none')
      FROM payments p
        LEFT JOIN LATERAL (SELECT string_agg(DISTINCT t.posting_key, ' ' ORDER BY t.posting_key) AS keys
          FROM transfers t WHERE t.provider_id = p.provider_id AND t.posting_key IN ('capture:' || p.id || ':charge', 'capture:' || p.id || ':payment',
            'settle:' || p.id || ':receipt', 'fail:' || p.id || ':return', 'fail:' || p.id || ':loss', 'recover:' || p.id || ':receipt')) s ON true
        LEFT JOIN LATERAL (SELECT string_agg(k.key, ' ' ORDER BY k.key) AS keys FROM (
          SELECT 'capture:' || p.id || ':' || leg AS key FROM (VALUES ('charge'), ('payment')) AS l (leg) WHERE p.state IN ${PAID} AND p.charged > 0
          UNION ALL SELECT 'settle:' || p.id || ':receipt' WHERE p.state = 'settled'
          UNION ALL SELECT 'fail:' || p.id || ':' || leg FROM (VALUES ('return'), ('loss')) AS l (leg) WHERE p.state IN ('failed', 'recovered')
          UNION ALL SELECT 'recover:' || p.id || ':receipt' WHERE p.state = 'recovered') k) e ON true
      WHERE p.origin IN ('gate', 'facilitator') AND s.keys IS DISTINCT FROM e.keys`,
  },
  {
    invariant: 'L4',
    says: 'what is in transit is what is served and not settled; what is in the wallets is what settled, or was claimed from channels, and was not sent back',
    counted: "SELECT count(*)::text AS n FROM ledger_accounts WHERE code IN ('1020', '1025')",
    faults: `WITH booked AS (
        SELECT la.provider_id, la.asset, la.code,
          sum(coalesce((SELECT sum(t.amount) FROM transfers t WHERE t.debit_id = la.id), 0) - coalesce((SELECT sum(t.amount) FROM transfers t WHERE t.credit_id = la.id), 0)) AS balance
        FROM ledger_accounts la WHERE la.code IN ('1020', '1025') GROUP BY 1, 2, 3
      ), known AS (
        SELECT p.provider_id, p.asset_id AS asset, p.code, sum(p.amount) FILTER (WHERE p.state = ANY (p.states)) AS balance
        FROM (
          SELECT p.provider_id, p.asset_id, c.code, p.charged AS amount, p.state, c.states
          FROM payments p, (VALUES ('1025', ARRAY['served', 'settling', 'included']), ('1020', ARRAY['settled', 'recovered'])) AS c (code, states)
          WHERE p.origin NOT IN ('deposit', 'refund')
          UNION ALL
          SELECT p.provider_id, p.asset_id, '1020', -p.charged, p.state, ARRAY['settled'] FROM payments p WHERE p.origin = 'refund'
          UNION ALL
          SELECT c.provider_id, c.asset_id, '1020', c.claimed_final - c.claimed_before, 'claimed', ARRAY['claimed'] FROM channels c
        ) p
        GROUP BY 1, 2, 3
      )
      SELECT 'ledger account ' || code || ' of ' || provider_id || ' holds ' || coalesce(b.balance, 0) || ', its payments say ' || coalesce(k.balance, 0) AS fault
      FROM booked b FULL JOIN known k USING (provider_id, asset, code) WHERE coalesce(b.balance, 0) <> coalesce(k.balance, 0)`,
  },
  {
    invariant: 'C1',
    says: 'at most one claim per network, token, payer and nonce',
    counted: 'SELECT count(*)::text AS n FROM payments',
    faults: `SELECT 'authorization ' || payer || ' ' || encode(nonce, 'hex') || ' is claimed ' || count(*) || ' times' AS fault
      FROM payments GROUP BY network, asset, payer, nonce HAVING count(*) > 1`,
  },
  {
    invariant: 'C2',
    says: 'at most one delivery per claim: one kept answer, one recorded usage, and none for what was not served',
    counted: 'SELECT count(*)::text AS n FROM payment_replies',
    faults: `SELECT 'payment ' || r.payment_id || ' (' || p.state || ') has a kept answer' AS fault
      FROM payment_replies r JOIN payments p ON p.id = r.payment_id WHERE p.state NOT IN ${PAID}
      UNION ALL
      SELECT 'payment ' || sold.payment || ' has ' || count(*) || ' records of usage' FROM ${SOLD} GROUP BY sold.payment HAVING count(*) > 1
      UNION ALL
      SELECT 'payment ' || p.id || ' was served without a record of usage' FROM payments p LEFT JOIN ${SOLD} ON sold.payment = p.id
      WHERE p.state IN ${PAID} AND p.meter_id IS NOT NULL AND sold.payment IS NULL`,
  },
  {
    invariant: 'C3',
    says: 'nothing is served before its claim is committed',
    counted: `SELECT count(*)::text AS n FROM payments WHERE state IN ${PAID}`,
    faults: `SELECT 'payment ' || id || ' was served before it was claimed' AS fault FROM payments
      WHERE state IN ${PAID} AND (served_at IS NULL OR served_at < reserved_at)`,
  },
  {
    invariant: 'C4',
    says: 'what was charged is fixed and within what was signed for',
    counted: `SELECT count(*)::text AS n FROM payments WHERE state IN ${PAID}`,
    faults: `SELECT 'payment ' || p.id || ' charged ' || coalesce(p.charged::text, 'nothing') || ' of ' || p.amount AS fault
      FROM payments p LEFT JOIN transfers t ON t.provider_id = p.provider_id AND t.posting_key = 'capture:' || p.id || ':charge'
      WHERE p.state IN ${PAID} AND (p.charged IS NULL OR p.charged > p.amount OR (p.charged > 0 AND p.origin IN ('gate', 'facilitator') AND t.amount IS DISTINCT FROM p.charged))`,
  },
  {
    invariant: 'C5',
    says: 'what was not served is not charged, in no batch and not settled',
    counted: "SELECT count(*)::text AS n FROM payments WHERE state IN ('reserved', 'voided')",
    faults: `SELECT 'payment ' || id || ' (' || state || ') is charged or sent' AS fault FROM payments
      WHERE state IN ('reserved', 'voided') AND (charged IS NOT NULL OR batch_id IS NOT NULL OR transaction IS NOT NULL)`,
  },
  {
    invariant: 'C6',
    says: 'settled only with evidence, failed only with proof',
    counted: "SELECT count(*)::text AS n FROM payments WHERE state IN ('settled', 'failed')",
    faults: `SELECT 'payment ' || id || ' is ' || state || ' without evidence' AS fault FROM payments
      WHERE (state = 'settled' AND (transaction IS NULL OR log_index IS NULL OR block_number IS NULL OR block_hash IS NULL OR settled_at IS NULL))
        OR (state = 'failed' AND (failure IS NULL OR failed_at IS NULL))`,
  },
  {
    invariant: 'N1',
    says: 'nonces of each relayer key are gapless, and each has signed bytes stored before it was sent',
    counted: 'SELECT count(*)::text AS n FROM chain_transactions',
    faults: `SELECT 'nonce ' || n.nonce || ' of ' || n.signer || ' is followed by ' || n.following AS fault
      FROM (SELECT chain_id, signer, nonce, lead(nonce) OVER (PARTITION BY chain_id, signer ORDER BY nonce) AS following FROM chain_transactions) n
      WHERE n.following <> n.nonce + 1
      UNION ALL
      SELECT 'signer ' || s.address || ' goes on with ' || s.next_nonce || ' after ' || t.last
      FROM chain_signers s JOIN (SELECT chain_id, signer, max(nonce) AS last FROM chain_transactions GROUP BY 1, 2) t ON t.chain_id = s.chain_id AND t.signer = s.address
      WHERE s.next_nonce <> t.last + 1
      UNION ALL
      SELECT 'transaction ' || t.id || ' has no stored bytes' FROM chain_transactions t
      WHERE NOT EXISTS (SELECT FROM chain_candidates c WHERE c.transaction_id = t.id AND octet_length(c.raw) > 0)
      UNION ALL
      SELECT 'bytes ' || encode(c.hash, 'hex') || ' were sent before they were stored' FROM chain_candidates c WHERE c.broadcast_at < c.created_at`,
  },
  {
    invariant: 'M5',
    says: 'every charge is the sum of its revisions and of the transfers that posted them',
    counted: 'SELECT count(*)::text AS n FROM charges',
    faults: `SELECT 'charge ' || c.id || ' is ' || c.amount || ', its revisions sum to ' || r.sum || ' and its transfers to ' || t.sum AS fault
      FROM charges c,
        LATERAL (SELECT coalesce(sum(amount_change), 0) AS sum FROM charge_revisions WHERE charge_id = c.id) r,
        LATERAL (SELECT coalesce(sum(CASE WHEN d.code = '1110' THEN t.amount ELSE -t.amount END), 0) AS sum
          FROM transfers t JOIN ledger_accounts d ON d.id = t.debit_id WHERE t.provider_id = c.provider_id AND t.reference = c.id) t
      WHERE c.amount <> r.sum OR c.amount <> t.sum`,
  },
  {
    invariant: 'M4',
    says: 'charges of a closed period stand; what corrects one is of the same account, price and service, in a later window',
    counted: 'SELECT count(*)::text AS n FROM charges WHERE corrects IS NOT NULL',
    faults: `SELECT 'charge ' || c.id || ' was set after its period was closed' AS fault
      FROM closed_periods p JOIN charges c ON c.provider_id = p.provider_id AND c.window_start < p.period_end
      WHERE c.rated_at > p.closed_at AND EXISTS (SELECT FROM charge_revisions r WHERE r.charge_id = c.id)
      UNION ALL
      SELECT 'charge ' || c.id || ' corrects ' || c.corrects || ', which is for something else'
      FROM charges c JOIN charges o ON o.id = c.corrects
      WHERE (c.provider_id, c.account_id, c.price_id, c.service_start) IS DISTINCT FROM (o.provider_id, o.account_id, o.price_id, o.service_start)
        OR o.window_start >= c.window_start
      UNION ALL
      SELECT 'charge ' || c.id || ' is for a service before its window, which is not closed' FROM charges c
      WHERE c.service_start < c.window_start
        AND NOT EXISTS (SELECT FROM closed_periods p WHERE p.provider_id = c.provider_id AND c.service_start < p.period_end)`,
  },
  ...STATEMENT_CHECKS,
];
