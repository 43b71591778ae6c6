-- Closing periods and issuing statements: what a posting of the past may be, what a statement is drawn up from, and what becomes of one.

-- ---------------------------------------------------------------- effective time
-- A revision of a charge and the transfer that posts it share one instant, also where that is not now.
ALTER TABLE charge_revisions ALTER COLUMN rated_at SET DEFAULT effective_instant();

-- Both columns are whole milliseconds, which now() is not: so a posting of now passes without a look-up.
DROP TRIGGER refuse_closed_books ON transfers;
CREATE TRIGGER refuse_closed_books BEFORE INSERT ON transfers FOR EACH ROW WHEN (NEW.effective_at < NEW.recorded_at)
  EXECUTE FUNCTION refuse_closed_books();

-- Closed books are not opened again, and no period of terms begins in them. Whoever read the terms before they were closed tries again.
CREATE TRIGGER closed_stays BEFORE UPDATE ON closed_books FOR EACH ROW WHEN (NEW.closed_until < OLD.closed_until) EXECUTE FUNCTION refuse_change();
CREATE FUNCTION refuse_closed_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM closed_books WHERE account_id = NEW.account_id AND closed_until > NEW.period_start) THEN
    RAISE EXCEPTION 'the books of % were closed meanwhile', NEW.account_id USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER after_closed_books BEFORE INSERT OR UPDATE OF period_start ON billing_terms FOR EACH ROW EXECUTE FUNCTION refuse_closed_terms();

-- ---------------------------------------------------------------- statements
ALTER TABLE statements
  -- Taken off by credit notes, and given up.
  ADD COLUMN credited numeric(78, 0) NOT NULL DEFAULT 0 CHECK (credited >= 0),
  ADD COLUMN written_off numeric(78, 0) NOT NULL DEFAULT 0 CHECK (written_off >= 0),
  ADD CONSTRAINT no_more_than_due CHECK (paid + credited + written_off <= due);
CREATE INDEX statements_of_account ON statements (account_id, id);

-- What a movement of an account's receivables is, by its posting key and the code of the ledger account on its other side. The same rule
-- as postingKind of core/statements; a test holds them against each other.
CREATE FUNCTION receivable_kind(posting_key text, counter text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN posting_key ~ '^accrue:[^:]+:\d+:usage$' OR posting_key ~ '^capture:[^:]+:charge$' THEN 'charge'
  WHEN posting_key ~ '^capture:[^:]+:payment(:[^:]+)?$' OR posting_key ~ '^fail:[^:]+:return$' THEN 'payment'
  WHEN counter IN ('1010', '1015', '1020', '1025', '1026', '1030', '2020', '2050', '5060') THEN 'payment'
  ELSE 'adjustment'
END;

-- What the statements of many periods of a provider say, straight from the transfers. `periods` is [{account, asset, start, end}].
-- Opening, charges, payments and adjustments are of all three receivables, so that what moves between them is nothing. `accrued`: what
-- was not billed at the end of the period, or is left of that; bills of earlier periods count whenever they were made. `later_calls`: of what the account's
-- calls added to 1110, what came after the period. The hash is over the lines of the statement in the order they were recorded.
-- Looked up account by account: all other postings of the ledger are none of its business, however the planner weighs them.
CREATE FUNCTION draw_up_statements(provider text, periods jsonb)
RETURNS TABLE (account text, opening numeric, charges numeric, payments numeric, adjustments numeric, closing numeric, accrued numeric,
  later_calls numeric, moved bigint, content_hash bytea)
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
  WITH period AS MATERIALIZED (
    SELECT p.account, p.asset, p."start" AS begins, p."end" AS ends,
      ARRAY[ledger_account_id(provider, '1110', p.asset, p.account, ''), ledger_account_id(provider, '1100', p.asset, p.account, ''),
        ledger_account_id(provider, '1120', p.asset, p.account, '')] AS own
    FROM jsonb_to_recordset(periods) AS p (account text, asset text, "start" timestamptz, "end" timestamptz)
  ), movement AS (
    SELECT p.account, p.asset, p.begins, p.ends, own.n = 1 AS is_accrued, t.id, t.posting_key, t.amount, t.effective_at, t.credit_id AS counter,
      t.credit_id <> ALL (p.own) AS is_outside
    FROM period p, unnest(p.own) WITH ORDINALITY AS own (id, n) JOIN transfers t ON t.debit_id = own.id
    UNION ALL
    SELECT p.account, p.asset, p.begins, p.ends, own.n = 1, t.id, t.posting_key, -t.amount, t.effective_at, t.debit_id, t.debit_id <> ALL (p.own)
    FROM period p, unnest(p.own) WITH ORDINALITY AS own (id, n) JOIN transfers t ON t.credit_id = own.id
    UNION ALL
    -- Of those without a movement, too.
    SELECT p.account, p.asset, p.begins, p.ends, false, NULL, NULL, NULL, NULL, NULL, false FROM period p
  ), kinded AS (
    SELECT m.*, m.is_outside AND m.effective_at < m.begins AS is_before,
      CASE WHEN m.is_outside AND m.effective_at >= m.begins AND m.effective_at < m.ends THEN receivable_kind(m.posting_key, c.code) END AS kind
    FROM movement m LEFT JOIN ledger_accounts c ON c.id = m.counter
  ), summed AS (
    SELECT k.account, k.asset, k.begins, k.ends,
      coalesce(sum(k.amount) FILTER (WHERE k.is_before), 0) AS opening,
      coalesce(sum(k.amount) FILTER (WHERE k.kind = 'charge'), 0) AS charges,
      coalesce(-sum(k.amount) FILTER (WHERE k.kind = 'payment'), 0) AS payments,
      coalesce(sum(k.amount) FILTER (WHERE k.kind = 'adjustment'), 0) AS adjustments,
      coalesce(sum(k.amount) FILTER (WHERE k.is_accrued AND (k.effective_at < k.ends OR k.posting_key LIKE 'bill:%')), 0) AS accrued_then,
      coalesce(sum(k.amount) FILTER (WHERE k.is_accrued), 0) AS accrued_now,
      coalesce(sum(k.amount) FILTER (WHERE k.is_accrued AND k.effective_at >= k.ends
        AND (k.posting_key LIKE 'capture:%' OR k.posting_key LIKE 'restore:%' OR k.posting_key LIKE 'renew:%')), 0) AS later_calls,
      count(*) FILTER (WHERE k.kind IS NOT NULL) AS moved,
      string_agg(k.posting_key || ' ' || k.amount, E'\n' ORDER BY k.id, k.amount) FILTER (WHERE k.kind IS NOT NULL) AS lines
    FROM kinded k GROUP BY k.account, k.asset, k.begins, k.ends
  )
  SELECT s.account, s.opening, s.charges, s.payments, s.adjustments, s.opening + s.charges - s.payments + s.adjustments,
    least(s.accrued_then, s.accrued_now), s.later_calls, s.moved,
    sha256(convert_to(concat_ws(E'\n', concat_ws(' ', s.account, s.asset, to_char(s.begins AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      to_char(s.ends AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), s.opening), s.lines), 'UTF8'))
  FROM summed s ORDER BY s.account
$$;

-- What an account owes before an instant, all receivables together: what statements are proven by, told another way than they are drawn up.
CREATE FUNCTION receivable_balance_before(account text, of_asset text, before timestamptz) RETURNS numeric
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
  SELECT coalesce(sum(moved.amount), 0) FROM ledger_accounts a, LATERAL (
    SELECT t.amount FROM transfers t WHERE t.debit_id = a.id AND t.effective_at < before
    UNION ALL
    SELECT -t.amount FROM transfers t WHERE t.credit_id = a.id AND t.effective_at < before
  ) moved
  WHERE a.account_id = account AND a.asset = of_asset AND a.code IN ('1110', '1100', '1120')
$$;

-- ---------------------------------------------------------------- calls on credit that were billed
-- What calls on credit came to in a period that was billed is owed by the account's line from now on, and no longer by its wallet: its owed
-- and due together stay what they were, and so does what it may spend. `items` is [{account, asset, later}], later what its calls added since.
CREATE FUNCTION bill_owed(items jsonb) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  billed integer;
BEGIN
  PERFORM FROM wallets w JOIN jsonb_to_recordset(items) AS i (account text, asset text) ON w.account_id = i.account AND w.asset = i.asset
  WHERE w.owed > 0 ORDER BY w.account_id, w.asset FOR NO KEY UPDATE OF w;
  WITH billed_call AS MATERIALIZED (
    SELECT w.account_id, w.asset, least(w.owed, w.owed - i.later) AS amount
    FROM jsonb_to_recordset(items) AS i (account text, asset text, later numeric)
      JOIN wallets w ON w.account_id = i.account AND w.asset = i.asset
      JOIN credit_lines l ON l.account_id = w.account_id AND l.asset = w.asset
    WHERE w.owed > 0 AND w.owed > i.later
  ), line AS (
    UPDATE credit_lines l SET due = l.due + b.amount, updated_at = now()
    FROM billed_call b WHERE l.account_id = b.account_id AND l.asset = b.asset
  )
  UPDATE wallets w SET owed = w.owed - b.amount, posted = w.posted + b.amount, credit_limit = w.credit_limit - b.amount
  FROM billed_call b WHERE w.account_id = b.account_id AND w.asset = b.asset;
  GET DIAGNOSTICS billed = ROW_COUNT;
  RETURN billed;
END
$$;
GRANT EXECUTE ON FUNCTION draw_up_statements, bill_owed, receivable_kind TO farebox_app, farebox_writer;
GRANT EXECUTE ON FUNCTION draw_up_statements, receivable_kind, receivable_balance_before TO farebox_auditor;
